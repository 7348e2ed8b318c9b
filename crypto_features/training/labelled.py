"""The rows of a training set with their labels, month by month: what is read is bounded by a month and the horizon."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import polars as pl

from crypto_features.errors import InputError
from crypto_features.known.then import Then
from crypto_features.tables.bars import Bars
from crypto_features.tables.dtypes import TIME as TIMES
from crypto_features.tables.events import Cusum
from crypto_features.tables.label import Finer, Label
from crypto_features.tables.months import MONTH, month_span
from crypto_features.tables.table import Table
from crypto_features.tables.training import TrainingSet
from crypto_features.training.events import cusum

TIME = "event_timestamp"
NO_BAR_THEN = "no bar of the label closes then"
_KEYS = ["symbol", "open_time"]


class Labelled:
    """The rows of a set, each with its label or the reason why it has none.

    Args:
        training: The set.
        then: Reads bars and candles as they were known.
        months: The months in which bars may open, oldest first.

    Raises:
        InputError: if there is no bar at all.
    """

    def __init__(self, training: TrainingSet, then: Then, months: Sequence[str]) -> None:
        self.training, self._then, self._interval = training, then, then.history.interval
        self._stored = months
        self.ends = self._ends(training.label.bars) if training.label is not None else {}
        self._events = self._found(training.rows) if isinstance(training.rows, Cusum) else training.rows
        self.months = tuple(month for month in self._with_rows() if self._keys(month).height)
        around = len(self.neighbours(self.months[0])) if self.months else 0
        self.rows = lru_cache(maxsize=around + 1)(self._rows)

    def neighbours(self, month: str) -> list[str]:
        """The months with rows whose labels may overlap those of a month, itself among them."""
        start, end = month_span(month)
        ahead = self._ahead
        return [m for m in self.months if month_span(m)[1] > start - ahead and month_span(m)[0] < end + ahead]

    @property
    def _ahead(self) -> timedelta:
        return self.training.label.ahead(self._interval) if self.training.label is not None else timedelta(0)

    def _rows(self, month: str) -> pl.DataFrame:
        """`symbol`, `event_timestamp`, the columns of the label and its reason, by symbol and time."""
        label, rows = self.training.label, self._keys(month)
        if label is None:
            return rows
        found = self._labels(label, month).with_columns(__there=pl.lit(value=True))
        joined = rows.join(found, on=["symbol", TIME], how="left", maintain_order="left")
        nowhere = pl.when(pl.col("__there").is_null()).then(pl.lit(NO_BAR_THEN))
        columns = pl.col("symbol", TIME, *self.training.label_columns)
        return joined.select(columns, pl.coalesce(label.reason, nowhere).alias(label.reason))

    def _keys(self, month: str) -> pl.DataFrame:
        start, end = month_span(month)
        rows = self._events
        if isinstance(rows, Table):
            length, early = rows.bar(self._interval), rows.early(self._interval)
            opened = self._then.read(rows.name, start - early, end, _KEYS)
            rows = opened.sort(_KEYS).select("symbol", (pl.col("open_time") + length).alias(TIME))
        return rows.filter(pl.col(TIME) > start, pl.col(TIME) <= end)

    def _labels(self, label: Label, month: str) -> pl.DataFrame:
        (start, end), bar = month_span(month), label.bars.bar(self._interval)
        back = label.lookback(self._interval) + bar
        bars = self._then.read(label.bars.name, start - back - bar, end + label.ahead(self._interval))
        found = label.compute(bars, self._finer(label), self._interval, self.ends)
        return found.filter(pl.col(TIME) > start, pl.col(TIME) <= end)

    def _finer(self, label: Label) -> Finer:
        """What reads the base candles within some spans."""
        bars = label.bars
        if not isinstance(bars, Bars):
            return None

        def candles(spans: pl.DataFrame) -> pl.DataFrame:
            first, last = spans.select(pl.col("start").min(), pl.col("end").max()).row(0)
            rows = self._then.read(bars.of.name, first, last, [*_KEYS, "open", "high", "low", "close"])
            return rows.filter(pl.col("symbol").is_in(spans["symbol"].unique().to_list()))

        return candles

    def _ends(self, bars: Table) -> Mapping[str, datetime]:
        """When the last bar of each symbol closes."""
        found: dict[str, datetime] = {}
        for keys in self._opened(bars):
            newest = keys.group_by("symbol").agg(pl.col("open_time").max() + bars.bar(self._interval))
            found.update(newest.iter_rows())
        if not found:
            raise self._none(bars)
        return found

    def _opened(self, bars: Table, *further: str) -> Iterator[pl.DataFrame]:
        """The bars of each month, one month in memory at a time."""
        for start, end in map(month_span, self._stored):
            yield self._then.read(bars.name, start, end, [*_KEYS, *further])

    def _found(self, rows: Cusum) -> pl.DataFrame:
        """The events: three columns of every bar are in memory at once, since each depends on all before it."""
        whole = rows.threshold if isinstance(rows.threshold, pl.Expr) else pl.lit(rows.threshold)
        further = dict.fromkeys(["close", *whole.meta.root_names()])
        bars = pl.concat(self._opened(rows.bars, *(name for name in further if name not in _KEYS))).sort(_KEYS)
        if not bars.height:
            raise self._none(rows.bars)
        limits = bars.select(whole.over("symbol").alias("limit"))["limit"] if whole.meta.root_names() else None
        chosen = cusum(bars["symbol"], bars["close"], rows.threshold if limits is None else limits)  # type: ignore[arg-type] # a number then.
        close = (pl.col("open_time") + rows.bars.bar(self._interval)).cast(TIMES)
        return bars.filter(chosen).select("symbol", close.alias(TIME))

    def _with_rows(self) -> tuple[str, ...]:
        """The months in which a row may close."""
        if isinstance(self._events, Table):
            early = self._events.early(self._interval)
            after = month_span(self._stored[-1])[1] if self._stored else None
            more = [f"{after:%Y-%m}"] if early and after is not None else []
            return (*self._stored, *more)
        return tuple(self._events.select(MONTH.unique().sort()).to_series())

    def _none(self, bars: Table) -> InputError:
        at = self._then.at
        when = "" if at is None else f" that was known at {at:%Y-%m-%d %H:%M} UTC"
        return InputError(
            f"{bars.name} has no bar{when}, so {self.training.name} would have no row; fetch candles, or give it "
            "another as_of."
        )
