"""What a leak test found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from crypto_features.tables.group import FeatureGroup

KINDS: Mapping[str, str] = {
    "start": "memory",
    "warm-up": "warm-up",
    "isolation": "other symbols",
    "permutation": "other symbols",
    "process": "process state",
    "clock": "clock",
}
"""The kind of fault that a probe shows; the others show look-ahead."""

ADVICE: Mapping[str, str] = {
    "look-ahead": "use only rows up to the one that is computed",
    "memory": "bound what is read by a window, or declare a longer lookback of the input",
    "warm-up": "declare the window that the value needs, and leave values null until it is full",
    "other symbols": "compute each symbol from its own rows, a cross-section whatever the order of symbols",
    "process state": "keep nothing from one call to the next, and draw nothing at random",
    "clock": "take times from the rows, not from the machine's clock",
}
"""What to do about each kind of fault."""


@dataclass(frozen=True)
class Leak:
    """One feature caught by one probe, at the first cut where it showed.

    Args:
        feature: Name of the feature; `(rows)` if a row appeared or vanished, `(<model>)` if a fit differs.
        probe: `truncate`, `perturb`, `gap`, `elsewhere`, `delist`, `list`, `calendar`, `refit`, `start`, `warm-up`,
            `isolation`, `permutation`, `process` or `clock`.
        symbol: Market in which it showed.
        cut: Where the market was altered, cut, or began.
        row: `event_timestamp` of the first row that differs; the start of a fit's month.
        expected: Its value in the whole market.
        got: Its value in the altered market, the other process or at the other time.
        why: What is wrong, where two values do not tell it: a window that is not as declared.
    """

    feature: str
    probe: str
    symbol: str
    cut: datetime
    row: datetime
    expected: object
    got: object
    why: str = ""

    @property
    def kind(self) -> str:
        """What is wrong: `look-ahead`, `memory`, `warm-up`, `other symbols`, `process state` or `clock`."""
        return KINDS.get(self.probe, "look-ahead")

    def __str__(self) -> str:
        head, values = f"{self.feature} ({self.kind})", f"from {self.expected!r} to {self.got!r}"
        row, cut = f"{self.row:%Y-%m-%d %H:%M}", f"{self.cut:%Y-%m-%d %H:%M}"
        if self.why:
            return f"{head}: {self.why} ({self.symbol} from {cut})"
        if self.probe == "process":
            return f"{head}: computing it in another process changes the row of {self.symbol} of {row} {values}"
        if self.probe == "clock":
            return f"{head}: another time of the machine's clock changes the row of {self.symbol} of {row} {values}"
        return f"{head}: {self.probe} of {self.symbol} at {cut} changes the row of {row} {values}"


@dataclass(frozen=True)
class LeakReport:
    """The outcome of `leak_test`.

    Args:
        group: Name of the group.
        leaks: What was caught, by feature and probe; empty for an honest group.
        cuts: How many altered markets each probe looked at; of `calendar`, how many bars were altered.
        unprobed: Probes that could not be made, and what they would need.
    """

    group: str
    leaks: tuple[Leak, ...]
    cuts: Mapping[str, int]
    unprobed: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was caught."""
        return not self.leaks

    def __str__(self) -> str:
        probes = ", ".join(f"{probe} {count}" for probe, count in self.cuts.items())
        head = f"{self.group}: {'leak-tested' if self.passed else f'{len(self.leaks)} leaks'} ({probes})"
        return "\n  ".join([head, *map(str, self.leaks), *(f"not probed: {text}" for text in self.unprobed)])


def differences(group: FeatureGroup, expected: pl.DataFrame, got: pl.DataFrame, probe: str) -> Iterator[Leak]:
    """The first row of each feature that differs in any bit between two tables of the same rows."""
    keys = ["symbol", "event_timestamp"]
    here, there = expected.with_columns(here=pl.lit(value=True)), got.with_columns(there=pl.lit(value=True))
    pairs = here.join(there, on=keys, how="full", coalesce=True, suffix="_there").sort("event_timestamp", "symbol")
    lone = pl.col("here").is_null() | pl.col("there").is_null()
    columns = [("(rows)", "here", "there", lone)]
    for name in (feature.name for feature in group.features):
        columns += [(name, name, f"{name}_there", ~lone & pl.col(name).ne_missing(pl.col(f"{name}_there")))]
    for feature, one, other, bad in columns:
        for row in pairs.filter(bad).head(1).iter_rows(named=True):
            time = row["event_timestamp"]
            yield Leak(feature, probe, row["symbol"], time, time, row[one], row[other])
