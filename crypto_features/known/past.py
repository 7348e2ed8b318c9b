"""Features as they were known at a time: the published rows, except where something else was known then.

What was known differs from what is published by the candles that came late or were corrected since, and by models that
were replaced. Rows between two times at which something became known share one state of knowledge, so each state is
rebuilt once.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TypeVar

import numpy as np
import polars as pl

from crypto_features.compute.resample import WEEK
from crypto_features.known.created import CREATED
from crypto_features.known.history import History, reach, reads_model
from crypto_features.known.knowledge import LATE, TIME, late
from crypto_features.known.rebuilt import Held, Rebuilt
from crypto_features.tables.borrowed import Borrowed
from crypto_features.tables.catalog import Catalog, upstream
from crypto_features.tables.derived import only
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.lineage import columns_read
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.others import others
from crypto_features.tables.raw import RawTable

T = TypeVar("T", RawTable, Borrowed)
PUBLISHED = 0
"""The number of the state in which what is published is what was known."""


@dataclass(frozen=True)
class State:
    """What was known of one symbol at one time.

    Args:
        number: Its number, from 1.
        symbol: The symbol.
        first: The earliest time of the rows that are wanted in it.
        at: The time.
    """

    number: int
    symbol: str
    first: datetime
    at: datetime


class Past:
    """What was known at the times at which rows of some groups are wanted.

    Args:
        history: What is published, and the versions of what it was computed from.
        wanted: The groups, each with the features that are wanted of it.
        rows: `symbol` and `time` (UTC) of the rows to which features are joined.
        as_of: The time of the knowledge; by default each row's own.

    Attributes:
        numbers: For each row the number of its state, or `PUBLISHED`.
        states: The states, each with one row at least.
    """

    def __init__(
        self,
        history: History,
        wanted: Mapping[str, Sequence[str]],
        rows: pl.DataFrame,
        as_of: datetime | None = None,
    ) -> None:
        groups = with_upstream(history.catalog, wanted)
        asked = rows.select("symbol", "time", at=pl.col("time") if as_of is None else pl.lit(as_of, TIME))
        self._missed = _missed(history, groups.values(), asked)
        self.numbers, self.states = _states(asked, self._missed)
        self._others = _others(groups.values())
        symbols = {state.symbol for state in self.states}
        read = symbols.union(history.symbols if self._others is None else self._others) if symbols else symbols
        self._held = Held(history, groups, sorted(read))
        self._rebuilt = cache(self._rebuild)

    def rows(self, group: str, state: State) -> pl.DataFrame:
        """The rows of a group that were known in a state, as far back as one may be joined to a wanted row."""
        oldest = state.first - self._held.groups[group].time_to_live(self._held.history.interval)
        symbol = None if self._others is None else state.symbol
        months = months_between(oldest - timedelta(microseconds=1), state.at)
        found = self._rebuilt(symbol, state.at).rows(group, months, state.symbol)
        return found.filter(pl.col("event_timestamp").is_between(oldest, state.at))

    def _rebuild(self, symbol: str | None, at: datetime) -> Rebuilt:
        """The tables at a time, as one symbol reads them; `None` if every symbol reads all others."""
        then = (pl.col("open_time") < at) & (pl.col("known") > at)
        whose = pl.lit(value=True) if symbol is None else pl.col("symbol") == symbol
        return Rebuilt(self._held, at, self._missed.filter(whose, "candle", then).select("of", "open_time").unique())


def with_upstream(catalog: Catalog, wanted: Mapping[str, Sequence[str]]) -> dict[str, FeatureGroup]:
    """The groups, and those that they read, with the features that are wanted or read of each; upstream first.

    Args:
        catalog: The tables.
        wanted: Names of features by group.
    """
    names = {name: set(features) for name, features in wanted.items()}
    found: dict[str, FeatureGroup] = {}
    for name in reversed([*catalog.groups]):
        if name in names:
            found[name] = group = only(catalog.groups[name], names[name])
            for source in group.inputs:
                table = source.table.name
                if table in catalog.groups:
                    names.setdefault(table, set()).update(columns_read(group, table))
    return dict(reversed(found.items()))


def _others(groups: Collection[FeatureGroup]) -> frozenset[str] | None:
    """The symbols whose candles reach the rows of every symbol; `None` if all do."""
    found = [others(group) for group in groups]
    known = [names for names in found if names is not None]
    return frozenset[str]().union(*known) if len(known) == len(found) else None


def missed(
    history: History, groups: Collection[FeatureGroup], symbols: Collection[str], first: datetime, last: datetime
) -> pl.DataFrame:
    """What rows of a span depend on that became known late: `symbol, of, open_time, known`, and whether it is a candle.

    `symbol` is whose rows depend on it, and `of` whose it is. Of a model that was replaced, `open_time` is the start
    of its month.

    Args:
        history: The versions of candles and models.
        groups: The groups whose rows they are.
        symbols: The symbols.
        first: The start of the span.
        last: Its end.
    """
    interval, from_others = history.interval, _others(groups)
    own, symbols = symbols, {*symbols}.union(history.symbols if from_others is None else from_others)
    months = months_between(first - max(reach(group, interval) for group in groups), last)
    raws = dict.fromkeys([history.catalog.raw, *_read(groups, RawTable)])
    parts = [part for raw in raws for part in _late(history, months, symbols, raw)]
    candles = pl.concat([LATE.to_frame(), *parts]).with_columns(candle=pl.lit(value=True))
    borrowed = _read(groups, Borrowed)
    candles = pl.concat([candles, *(_created_late(history, table, months, symbols) for table in borrowed)])
    candles = _reaching(candles, own, from_others)
    if not any(map(reads_model, groups)):
        return candles
    replaced = {"open_time": TIME, "known": TIME}
    models = pl.DataFrame(history.published_late(), replaced, orient="row").filter(
        pl.col("known") > pl.col("open_time")
    )
    names = pl.DataFrame({"symbol": list(own)}, {"symbol": pl.String}).with_columns(of="symbol")
    replaced_models = names.join(models, how="cross").with_columns(candle=pl.lit(value=False))
    return pl.concat([candles, replaced_models.select(candles.columns)])


def _reaching(late_rows: pl.DataFrame, symbols: Collection[str], from_others: frozenset[str] | None) -> pl.DataFrame:
    """What became known late, for each symbol whose rows it reaches."""
    rows = late_rows.rename({"symbol": "of"})
    own = rows.filter(pl.col("of").is_in(list(symbols))).with_columns(symbol="of")
    reaches = pl.lit(value=True) if from_others is None else pl.col("of").is_in(list(from_others))
    names = pl.DataFrame({"symbol": list(symbols)}, {"symbol": pl.String})
    far = names.join(rows.filter(reaches), how="cross").filter(pl.col("symbol") != pl.col("of"))
    return pl.concat([own.select(far.columns), far])


def _late(history: History, months: Sequence[str], symbols: Collection[str], raw: RawTable) -> Iterator[pl.DataFrame]:
    """What became known late of a raw table, month by month."""
    length = raw.bar(history.interval)
    lengths = [bars.bar(history.interval) for bars in history.catalog.bars.values() if bars.of is raw]
    end = month_span(months[-1])[1]
    after = months_between(end, end + timedelta(days=1)) if WEEK in lengths else ()
    versions = (history.known(raw.name, month, [], symbols) for month in (*months, *after))
    this = next(versions)
    for month in months:
        following = next(versions, None)
        yield late(this, length, history.wait, lengths, None if following is None else (month, following))
        this = this if following is None else following


def _read(groups: Collection[FeatureGroup], kind: type[T]) -> list[T]:
    """The tables of a kind that these groups read."""
    read = dict.fromkeys(table for group in groups for table in upstream(group))
    return [table for table in read if isinstance(table, kind)]


def _created_late(history: History, table: Borrowed, months: Sequence[str], symbols: Collection[str]) -> pl.DataFrame:
    """The rows of another project's view that were created after their time."""
    rows = history.read(table.name, months, ["symbol", "event_timestamp", CREATED], list(symbols))
    if not rows.width:
        return LATE.to_frame().with_columns(candle=pl.lit(value=False))
    late_rows = rows.filter(pl.col(CREATED) > pl.col("event_timestamp"))
    before = pl.col("event_timestamp") - timedelta.resolution
    found = late_rows.select("symbol", open_time=before, known=CREATED).cast(LATE)
    return found.with_columns(candle=pl.lit(value=False))


def _missed(history: History, groups: Collection[FeatureGroup], asked: pl.DataFrame) -> pl.DataFrame:
    first, last = asked["time"].min(), asked["at"].max()
    symbols = asked["symbol"].drop_nulls().unique().sort().to_list()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return _reaching(LATE.to_frame().with_columns(candle=pl.lit(value=True)), [], frozenset())
    return missed(history, groups, symbols, first - max(group.time_to_live(history.interval) for group in groups), last)


def _states(asked: pl.DataFrame, missed: pl.DataFrame) -> tuple[pl.Series, list[State]]:
    """The state of each row, and the states: those of a symbol between two times at which something became known."""
    by_symbol = {symbol: part for (symbol,), part in missed.partition_by("symbol", as_dict=True).items()}
    rows = asked.with_row_index("row").drop_nulls(["symbol", "at"])
    epochs = [
        part.with_columns(epoch=_epochs(part["at"], by_symbol[symbol]))
        for (symbol,), part in rows.partition_by("symbol", as_dict=True).items()
        if symbol in by_symbol
    ]
    numbers = pl.repeat(PUBLISHED, asked.height, dtype=pl.UInt32, eager=True)
    if not epochs:
        return numbers, []
    found = (
        pl.concat(epochs)
        .drop_nulls("epoch")
        .group_by("symbol", "epoch", maintain_order=True)
        .agg("row", first=pl.col("time").min(), at=pl.col("at").max())
        .with_row_index("number", PUBLISHED + 1)
    )
    states = [State(*row) for row in found.select("number", "symbol", "first", "at").iter_rows()]
    each = found.select("number", "row").explode("row")
    return numbers.scatter(each["row"], each["number"]), states


def _epochs(times: pl.Series, missed: pl.DataFrame) -> pl.Series:
    """The number of the span of equal knowledge that holds each time; null where nothing was missed then."""
    at, known = times.to_physical().to_numpy(), np.sort(missed["known"].to_physical().to_numpy())
    opened = np.sort(missed["open_time"].to_physical().to_numpy())
    open_then = np.searchsorted(opened, at, "left") > np.searchsorted(known, at, "right")
    span = pl.Series(np.searchsorted(np.unique(known), at, "right"))
    return pl.select(pl.when(pl.Series(open_then)).then(span)).to_series()
