"""What an ingestion did: the figures that a run's metadata and checks show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from crypto_features.errors import CryptoFeaturesError, PermanentError

_TIME = pl.Datetime("us", "UTC")
ABSENT_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "from": _TIME,
        "to": _TIME,
        "missing": pl.Int64(),
        "sessions": pl.Int64(),
        "last": _TIME,
    }
)


@dataclass(frozen=True)
class Progress:
    """How far a fetch is.

    Args:
        rows: Candles fetched so far.
        expected: Candles that the whole fetch is expected to bring; a gap makes it less.
        seconds: Seconds since it began.
    """

    rows: int
    expected: int
    seconds: float

    @property
    def rate(self) -> float:
        """Candles a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def remaining(self) -> timedelta | None:
        """Time that the rest takes at this rate; `None` before the first candle."""
        return timedelta(seconds=max(self.expected - self.rows, 0) / self.rate) if self.rows else None

    def __str__(self) -> str:
        """One line for a terminal or a log.

        >>> print(Progress(rows=50_000, expected=200_000, seconds=10))
        50,000 of 200,000 candles, 5,000 a second, 0:00:30 remaining
        """
        line = f"{self.rows:,} of {self.expected:,} candles, {self.rate:,.0f} a second"
        left = self.remaining
        return line if left is None else f"{line}, {timedelta(seconds=round(left.total_seconds()))} remaining"


@dataclass(frozen=True)
class IngestReport:
    """What one ingestion did.

    Args:
        source: Name of the source.
        counts: `month, symbol, accepted, new, corrected, rejected`: candles that keep the contract, how many of these
            are new or corrected, and candles that break it. A month and symbol of which nothing was fetched, since
            nothing can be new, has no row.
        corrected: `symbol, open_time, known_at`, the new `open, high, low, close, volume, completeness` and the values
            known before as `open_was` and so on.
        rejected: The candles that break the contract, with `rule`.
        flagged: `symbol, open_time, flag, value` of the candles new in this run that look odd (see `flags`).
        failed: The error of each symbol that could not be fetched.
        published: The months whose partition changed.
        seconds: How long it took.
        later: By symbol, how many candles on offer are not over by the clock; they are not fetched.
        shorter: How many shorter candles were read to make those; each is held to the contract, too.
        shortfalls: By symbol, what the source cannot give at all, why, and who can, a sentence each.
        absent: `symbol, from, to, missing, sessions, last`: what an exchange or archive did not give of the symbols in
            these months: open time of the first and of the last candle, how many, how many sessions proved it (see
            `crypto_features.ingest.absent`), and when the last of them was.
        row: What one row is called.
        quarantine: Name of the table that holds the rejected ones.
    """

    source: str
    counts: pl.DataFrame
    corrected: pl.DataFrame
    rejected: pl.DataFrame
    flagged: pl.DataFrame
    failed: Mapping[str, CryptoFeaturesError]
    published: tuple[str, ...]
    seconds: float
    later: Mapping[str, int] = field(default_factory=dict)
    shorter: int = 0
    shortfalls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ABSENT_SCHEMA))
    row: str = "candle"
    quarantine: str = "quarantine"

    @property
    def rows(self) -> int:
        return int(self.counts["accepted"].sum()) + self.rejected.height

    @property
    def new(self) -> int:
        """Candles that were not in the table."""
        return int(self.counts["new"].sum())

    @property
    def silent(self) -> pl.DataFrame:
        """The rows of `absent` that nothing proves: no later candle of the symbol came when they were asked for."""
        return self.absent.filter(pl.col("sessions") == 0)

    @property
    def troubles(self) -> list[tuple[str, str]]:
        """What needs a person, as symbol and sentence: symbols that failed, and candles that will not come."""
        found = [(symbol, str(error)) for symbol, error in self.failed.items()]
        found += [(symbol, text) for symbol, texts in self.shortfalls.items() for text in texts]
        ends = self.silent.group_by("symbol", maintain_order=True).agg(pl.col("from").min())
        for symbol, end in ends.iter_rows():
            text = (
                f"no {self.row} came that opens at {end:%Y-%m-%d %H:%M} or later; every run requests them again. If "
                f"the market is closed, set CRYPTO_FEATURES_MARKETS={symbol}=<market>@..{end:%Y-%m-%d}."
            )
            found.append((symbol, text))
        return found

    @property
    def rejected_share(self) -> float:
        """Share of the fetched candles, and of those from which they were made, that break the contract, 0 to 1."""
        return self.rejected.height / self.judged if self.judged else 0.0

    @property
    def judged(self) -> int:
        return self.rows + self.shorter

    @property
    def rejected_by_rule(self) -> dict[str, int]:
        """How many candles break each rule; one candle may break several."""
        rules = self.rejected["rule"].str.split(", ").explode().value_counts(sort=True)
        return dict(rules.iter_rows())


class RejectedShareError(PermanentError):
    """So many candles break the contract that the rest is not to be trusted either; `report` says which."""

    def __init__(self, report: IngestReport, limit: float) -> None:
        self.report = report
        rules = ", ".join(f"{rule}: {count}" for rule, count in report.rejected_by_rule.items())
        first = report.rejected.row(0, named=True)
        super().__init__(
            f"{report.rejected.height} of {report.judged} {report.row}s of {report.source} break the contract "
            f"({rules}), a share of {report.rejected_share:.2%} where {limit:.2%} is allowed; the first is "
            f"{first['symbol']} {first['open_time']}. They are in the table {report.quarantine!r}; correct the source, "
            "or raise CRYPTO_FEATURES_MAX_REJECTED."
        )
