"""Revision risk: how far the past values of a feature were moved by what became known after their rows' time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

TIME = "event_timestamp"


@dataclass
class Revision:
    """What became of one feature's values, by the rows that were compared.

    Args:
        rows: All rows.
        moved: Rows whose value is another one now, appeared and vanished ones among them.
        appeared: Rows without a value then that have one now.
        vanished: Rows with a value then that have none now.
        total: Sum of the absolute changes, of numbers.
        largest: The largest absolute change.
        where: Symbol and time of the row with the largest.
        numbers: How many numbers were known then, with their sum and sum of squared deviations.
    """

    rows: int = 0
    moved: int = 0
    appeared: int = 0
    vanished: int = 0
    total: float = 0.0
    largest: float = 0.0
    where: str = ""
    numbers: tuple[int, float, float] = (0, 0.0, 0.0)

    def facts(self) -> dict[str, object]:
        """As a manifest says it; the spread is the standard deviation of what was known."""
        changed, (count, _, squares) = self.moved - self.appeared - self.vanished, self.numbers
        return {
            "rows": self.rows,
            "moved": self.moved,
            "appeared": self.appeared,
            "vanished": self.vanished,
            "mean_change": self.total / changed if changed else 0.0,
            "largest_change": self.largest,
            "largest_at": self.where,
            "spread": math.sqrt(squares / (count - 1)) if count > 1 else 0.0,
        }


@dataclass
class Revisions:
    """The revision of each feature, added up month by month.

    Args:
        features: Names of the columns.
    """

    features: Sequence[str]
    by_feature: dict[str, Revision] = field(default_factory=dict)

    def add(self, then: pl.DataFrame, now: pl.DataFrame) -> None:
        """Compare rows.

        Args:
            then: `symbol`, `event_timestamp` and the features as they were known at each row's time.
            now: The same as they are published, in the same order.
        """
        for name in self.features:
            self.by_feature[name] = _added(self.by_feature.get(name, Revision()), then, now, name)

    def facts(self) -> Mapping[str, Mapping[str, object]]:
        """By feature, as a manifest says it."""
        return {name: self.by_feature.get(name, Revision()).facts() for name in self.features}


def _added(found: Revision, then: pl.DataFrame, now: pl.DataFrame, name: str) -> Revision:
    old, new = then[name], now[name]
    moved = old.ne_missing(new)
    more = Revision(
        rows=found.rows + len(old),
        moved=found.moved + int(moved.sum()),
        appeared=found.appeared + int((old.is_null() & new.is_not_null()).sum()),
        vanished=found.vanished + int((old.is_not_null() & new.is_null()).sum()),
        total=found.total,
        largest=found.largest,
        where=found.where,
        numbers=found.numbers,
    )
    if not old.dtype.is_numeric():
        return more
    more.numbers = _joined(found.numbers, old.drop_nulls().cast(pl.Float64))
    change = (new.cast(pl.Float64) - old.cast(pl.Float64)).abs().fill_null(0.0)
    more.total += float(change.sum())
    at = change.arg_max()
    if at is not None and change[at] > found.largest:
        symbol, time = then.row(at)[:2]
        more.largest, more.where = float(change[at]), f"{symbol} {time:%Y-%m-%dT%H:%MZ}"
    return more


def _joined(one: tuple[int, float, float], values: pl.Series) -> tuple[int, float, float]:
    """Count, mean and sum of squared deviations of both: Chan, Golub and LeVeque, 1979."""
    count, mean, squares = one
    if not len(values):
        return one
    own = float(values.mean())  # type: ignore[arg-type] # there are values.
    spread = float(((values - own) ** 2).sum())
    both = count + len(values)
    step = own - mean
    return both, mean + step * len(values) / both, squares + spread + step * step * count * len(values) / both
