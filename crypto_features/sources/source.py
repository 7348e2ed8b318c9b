"""What every source of candles offers: the one protocol that a new source implements, in one file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import polars as pl

from crypto_features.errors import CryptoFeaturesError
from crypto_features.sources.standing import Standing

_SHOWN = 5


@dataclass(frozen=True)
class Shorter:
    """The candles from which a source made longer ones.

    Args:
        read: How many there were.
        rejected: Those that break the contract, in `CANDLE_SCHEMA` with `rule`; they are not in the longer ones.
    """

    read: int
    rejected: pl.DataFrame


def by_reason(passed_over: Mapping[str, str]) -> dict[str, str]:
    """What was passed over, by the first line of its reason; of many, the first few.

    >>> by_reason({"a.txt": "not candles", "b.txt": "not candles"})
    {'not candles': 'a.txt, b.txt'}
    """
    found: dict[str, list[str]] = {}
    for what, why in passed_over.items():
        found.setdefault(why.partition("\n")[0], []).append(what)
    return {
        why: ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        for why, names in found.items()
    }


ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
"""A span that holds every candle."""


class PartlyFetchedError(CryptoFeaturesError):
    """A fetch failed after a part of its candles had come, which is good.

    Args:
        cause: Why the rest did not come.
        candles: The candles that came, in `CANDLE_SCHEMA`.
        lost: The spans `[start, end)` that are not answered, in which candles may be missing; sorted.
    """

    def __init__(
        self, cause: CryptoFeaturesError, candles: pl.DataFrame, lost: Sequence[tuple[datetime, datetime]]
    ) -> None:
        self.cause, self.candles, self.lost = cause, candles, lost
        super().__init__(str(cause))


class Source(Protocol):
    """Where candles come from. Inherit from it, and what a source does not say for itself has a default."""

    venue: str = ""
    """Venue, kind of market and quote of every candle on offer, such as `binance spot USDT`; empty for the name.

    A table holds the candles of one venue and refuses another's.
    """

    synthetic: bool = False
    """Whether the candles are made up; they never join real ones."""

    resumes: bool = False
    """Whether to ask only for candles that are not stored, since each question costs time and a rate limit."""

    adds_late: bool = False
    """Whether a candle that did not come may come later while `mark` stays: it is requested again, ever more rarely."""

    watched: bool = False
    """Whether `mark` costs so little that it is compared at every look for changes, as that of a local file does."""

    parallel: int = 1
    """How many symbols may be fetched at once."""

    rows_at_once: int = 1_000_000
    """About how many candles of all symbols to fetch before they are published; it bounds memory and lost work.

    While they are published, as many are fetched.
    """

    @property
    def name(self) -> str:
        """Name for people: it stands in metadata, and says so if the market is synthetic."""

    def symbols(self) -> tuple[str, ...]:
        """Every symbol on offer, sorted."""

    def start(self, symbols: Sequence[str]) -> datetime:
        """Open time of the first candle of these symbols."""

    def end(self) -> datetime | None:
        """Close of the last candle on offer; by default `None`: the market goes on."""
        return None

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        """The complete base candles of one symbol that open in `[start, end)`, sorted, in `CANDLE_SCHEMA`.

        A source that gives each candle itself, and makes none from shorter ones, may leave out `completeness`.

        Raises:
            UnknownNameError: if the symbol is not on offer.
            TransientError: if the same call may succeed later.
            PermanentError: if it will fail again until its cause is corrected.
            PartlyFetchedError: if only a part failed, by one of these.
        """

    def offers(self, symbol: str) -> Sequence[tuple[datetime, datetime]]:
        """The spans `[start, end)` in which a symbol can have candles; by default all of time.

        A source that resumes is not asked outside them.
        """
        return [ALWAYS]

    def later(self, symbol: str) -> int:
        """How many candles of a symbol that was fetched are not over by the clock, and so were left out."""
        return 0

    def shorter(self, symbol: str, start: datetime, end: datetime) -> Shorter | None:
        """The shorter candles from which the last `fetch` of these arguments made its own; `None` if from none."""
        return None

    def passed_over(self) -> Mapping[str, str]:
        """What the source found and does not read, with the reason."""
        return {}

    def known_start(self, symbols: Sequence[str]) -> datetime | None:
        """`start`, as far as it is known without opening data; `None` if it is not. No symbols are all."""
        return self.start(symbols or self.symbols())

    def ended(self, symbol: str) -> Standing | None:
        """Whether the market of a symbol on offer is halted or delisted, as far as that is known without asking."""
        return None

    def shortfalls(self, symbol: str) -> tuple[str, ...]:
        """What this source turned out to be unable to give of a symbol, a sentence each: what, why, and who can."""
        return ()

    def origin(self, symbol: str) -> str:
        """What the candles of a symbol are taken from: of another origin, what did not exist is requested again."""
        return self.name

    def mark(self, symbol: str, start: datetime, end: datetime) -> str | None:
        """A cheap sign of what `fetch` would return: while it stays equal, the candles are not fetched again.

        By default `None`: there is no such sign, and only a fetch tells.
        """
        return None
