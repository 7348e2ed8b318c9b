"""The one way to compute features: batch, backfill and a single new bar all call `compute_partition`.

A partition is computed from the window `[month start − reach, month end)` of its inputs. A value of an expression
depends on its own window alone (`reach`), one of a function on that of its month; so an incremental run, a backfill and
a single new bar give the same bits.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.tables.completeness import (
    COMPLETENESS,
    MIN_COMPLETENESS,
    completeness_columns,
    least,
    with_lowest,
)
from crypto_features.tables.cross_sections import at_each_time
from crypto_features.tables.dtypes import TIME, held, moment
from crypto_features.tables.months import month_of, month_span, months_between
from crypto_features.tables.order import by_symbol, in_order
from crypto_features.tables.reach import all_fit, beginnings, spells, within_reach
from crypto_features.tables.table import Join
from crypto_features.tables.types import in_types

if TYPE_CHECKING:  # a group computes itself by this module.
    from crypto_features.tables.group import FeatureGroup

KEYS = ("symbol", "event_timestamp")
_NONE = timedelta(0)
_INSTANT = timedelta.resolution
_SHORT = 1000
"""Rows of a spell below which many are computed at once."""
_KNOWN, _SPELL = "\nknown", "\nspell"
"""When a row became known, and the number of its spell: no column of a user has such a name."""


def compute_partition(
    group: "FeatureGroup",
    inputs: Mapping[str, pl.DataFrame],
    month: str,
    *,
    interval: timedelta,
    min_completeness: float = MIN_COMPLETENESS,
) -> pl.DataFrame:
    """One month of a group's table: a row for each bar that closes in the month, or with its end.

    Args:
        group: What to compute.
        inputs: The group's input tables by name, with at least the rows of `[month start − reach, month end)`; what
            lies outside is ignored.
        month: The partition, such as `"2024-01"`.
        interval: Length of a base candle.
        min_completeness: Share of its candles that a bar needs, of a group that declares none.

    Returns:
        `symbol`, `event_timestamp` (close of the bar, UTC), the columns of `completeness` and the features, sorted by
        both keys. A value whose window is not full, that is not finite, or whose bar is not complete enough, is null.

    Raises:
        UnknownNameError: if an input table is not in `inputs`.
        InputError: if a table lacks a column, has one of another type, or has two rows for one symbol and time, or the
            group's function does not return a declared column.
    """
    return compute_span(group, inputs, *month_span(month), interval=interval, min_completeness=min_completeness)


def compute_span(
    group: "FeatureGroup",
    inputs: Mapping[str, pl.DataFrame],
    start: datetime,
    end: datetime,
    *,
    interval: timedelta,
    min_completeness: float = MIN_COMPLETENESS,
) -> pl.DataFrame:
    """As `compute_partition`, of the bars that close after `start` and until `end`.

    Of expressions any span gives the bits of its months, if `start` is a time at which a bar may close. A function's
    values depend on where its rows begin: give it whole months, of which the last may be cut off.
    """
    needed: dict[str, list[pl.Expr]] = {}
    typed: dict[str, pl.DataFrame] = {}
    for number, source in enumerate(group.inputs):
        table = source.table.name
        if table not in inputs:
            raise UnknownNameError(f"input of {group.name}", table, inputs)
        length = source.table.bar(interval) if number else _NONE
        typed.setdefault(table, in_types(table, inputs[table]))
        needed.setdefault(table, []).append(_needed(source, typed[table], (start, end), interval, length))
    trimmed = {table: frame.filter(pl.any_horizontal(needed[table])) for table, frame in typed.items()}
    rows = evaluate(group, trimmed, interval=interval, min_completeness=min_completeness)
    return rows.filter(pl.col("event_timestamp") > moment(start), pl.col("event_timestamp") <= moment(end))


def evaluate(
    group: "FeatureGroup",
    inputs: Mapping[str, pl.DataFrame],
    *,
    interval: timedelta,
    min_completeness: float = MIN_COMPLETENESS,
) -> pl.DataFrame:
    """Every row of a group from all the input rows handed in: the computation itself, without an anchor."""
    limit = least(group, min_completeness)
    read = {source.table.name for source in group.inputs} & inputs.keys()
    inputs = {**inputs, **{table: in_types(table, inputs[table]) for table in read}}
    if group.function is not None:
        return _typed(group, _with_completeness(group, group.function(inputs), inputs, interval), limit)
    layers, length = list(_layers(group)), group.bar(interval)
    bars = with_lowest(group, _joined(group, inputs, interval), length)
    try:
        if group.across is not None:
            parts = [_compared(group, bars, layers)]
        else:
            parts = _spell_by_spell(group, bars, layers, length)
    except pl.exceptions.ColumnNotFoundError as error:
        column = str(error).partition("\n")[0]
        raise InputError(f"{group.name} reads {column}; its inputs have {', '.join(bars.columns)}.") from None
    return _typed(group, parts[0] if len(parts) == 1 else pl.concat(parts), limit)


def every_row(
    group: "FeatureGroup",
    inputs: Mapping[str, pl.DataFrame],
    *,
    interval: timedelta,
    months: Sequence[str] | None = None,
) -> pl.DataFrame:
    """A group's rows over all its bars: expressions at once, a function month by month, of these months only."""
    if group.function is None:
        return evaluate(group, inputs, interval=interval)
    bars = inputs[group.bars.name]
    time = bars["event_timestamp" if "event_timestamp" in bars.columns else "open_time"]
    own = months_between(time.min(), time.max() + interval)  # type: ignore[operator, arg-type] # times
    wanted = own if months is None else [month for month in own if month in months]
    return pl.concat(compute_partition(group, inputs, month, interval=interval) for month in wanted)


def _layers(group: "FeatureGroup") -> Iterator[list[pl.Expr]]:
    """The expressions in an order in which each finds the features that it reads."""
    waiting = {f.name: f.expression for f in group.features if f.expression is not None}
    while waiting:
        ready = {n: e for n, e in waiting.items() if not ({*e.meta.root_names()} - {n}) & waiting.keys()}
        if not ready:
            raise InputError(f"{group.name}: {', '.join(waiting)} read each other; no order computes them.")
        yield [expression.alias(name) for name, expression in ready.items()]
        waiting = {name: expression for name, expression in waiting.items() if name not in ready}


def _spell_by_spell(
    group: "FeatureGroup", bars: pl.DataFrame, layers: list[list[pl.Expr]], length: timedelta
) -> list[pl.DataFrame]:
    """The features of each spell by itself; of many short ones in a single frame, since each frame costs a plan."""
    windows, time = [(feature.name, feature.window) for feature in group.features], "event_timestamp"
    first = beginnings(bars, time)
    lengths = np.diff([*first.arg_true(), len(bars)])
    # In a frame of one row Polars divides with other last bits than in a longer one.
    if len(lengths) > 1 and len(bars) < _SHORT * len(lengths) and lengths.min() > 1:
        with suppress(pl.exceptions.PolarsError):  # one by one it may work, or say what is wrong.
            whole = bars.with_columns(first.cum_sum().set_sorted().alias(_SPELL))
            for layer in layers:
                whole = whole.with_columns(expression.over(_SPELL) for expression in layer)
            whole = whole.drop(_SPELL)
            if all_fit(whole, time, length):
                return [whole]
            return [within_reach(spell, time, length, windows) for spell in spells(whole, time)]
    parts = spells(bars, time)
    for layer in layers:
        parts = [spell.with_columns(layer) for spell in parts]
    return [within_reach(spell, time, length, windows) for spell in parts]


def _compared(group: "FeatureGroup", bars: pl.DataFrame, layers: list[list[pl.Expr]]) -> pl.DataFrame:
    """Each bar time by itself, its symbols in the order of their names; who takes no part has no values."""
    order = np.argsort(bars["event_timestamp"].to_physical().to_numpy(), kind="stable")
    read = {"event_timestamp", *_roots(group)}
    members = bars.select(name for name in bars.columns if name in read)[order]
    if group.universe is not None:
        takes_part = members.select(at_each_time(group.universe).fill_null(value=False)).to_series()
        members, order = members.filter(takes_part), order[takes_part.to_numpy()]
    for layer in layers:
        members = members.with_columns(map(at_each_time, layer))
    place = np.full(bars.height, -1)
    place[order] = np.arange(members.height)
    found = pl.Series(place)
    found = found if len(order) == bars.height else found.set(found < 0, None)
    return bars.with_columns(members.select(feature.name for feature in group.features).select(pl.all().gather(found)))


def _with_completeness(
    group: "FeatureGroup", rows: pl.DataFrame, inputs: Mapping[str, pl.DataFrame], interval: timedelta
) -> pl.DataFrame:
    """The rows of a function, with the completeness of the bars of the first input."""
    bars = _known(group.inputs[0], inputs, interval).rename({_KNOWN: "event_timestamp"})
    length = group.bar(interval)
    known = with_lowest(group, bars, length)
    columns = completeness_columns(group)
    rows = rows.drop(columns, strict=False)
    return rows.join(known.select(*KEYS, *columns), on=KEYS, how="left") if {*KEYS} <= {*rows.columns} else rows


def _needed(
    source: Join, frame: pl.DataFrame, span: tuple[datetime, datetime], interval: timedelta, length: timedelta
) -> pl.Expr:
    """The rows of the anchored window: bars that open in it; of a joined table rows that were known in it.

    Args:
        source: The input.
        frame: Its rows.
        span: Start and end of what is computed.
        interval: Length of a base candle.
        length: How long after its `open_time` a row of a joined table is known; 0 for the bars.
    """
    start, end = span[0] - source.reach(interval), span[1]
    if "month" in frame.columns:
        return pl.col("month").is_between(pl.lit(month_of(start)), pl.lit(month_of(end - _INSTANT)))
    if "open_time" in frame.columns:
        first = start - length + _INSTANT if length else start
        return pl.col("open_time").is_between(moment(first), moment(end - max(source.table.early(interval), _INSTANT)))
    if "event_timestamp" in frame.columns:
        return pl.col("event_timestamp").is_between(moment(start), moment(end), closed="right")
    raise InputError(
        f"{source.table.name} has neither open_time nor event_timestamp; it has {', '.join(frame.columns)}."
    )


def _joined(group: "FeatureGroup", inputs: Mapping[str, pl.DataFrame], interval: timedelta) -> pl.DataFrame:
    """The bars of the first input, with the columns of the others as they were known when each bar opened or closed."""
    bars, read = _known(group.inputs[0], inputs, interval).rename({_KNOWN: "event_timestamp"}), _roots(group)
    for other in group.joins:
        rows = _known(other, inputs, interval, {name for name in other.columns if f"{other.name}.{name}" in read})
        rows = rows.rename({name: f"{other.name}.{name}" for name in rows.columns if name not in ("symbol", _KNOWN)})
        time = "open_time" if other.at == "open" else "event_timestamp"
        if other.symbol is None:
            bars = _as_of(bars, rows, time, other, by="symbol")
            continue
        times = _as_of(bars.select(pl.col(time).unique().sort()), rows.drop("symbol"), time, other)
        bars = bars.join(times, on=time, how="left", nulls_equal=True, maintain_order="left")
    return by_symbol(bars, "event_timestamp")


def _as_of(bars: pl.DataFrame, rows: pl.DataFrame, time: str, join: Join, by: str | None = None) -> pl.DataFrame:
    """The bars, each with the newest of the rows that were known then and are young enough."""
    return bars.join_asof(
        rows,
        left_on=time,
        right_on=_KNOWN,
        by=by,
        tolerance=join.lookback - _INSTANT,
        coalesce=False,
        check_sortedness=False,
    ).drop(_KNOWN)


def _roots(group: "FeatureGroup") -> set[str]:
    """The columns that the group's expressions read."""
    expressions = [group.universe, *(feature.expression for feature in group.features)]
    return {root for expression in expressions if expression is not None for root in expression.meta.root_names()}


def _known(
    source: Join, inputs: Mapping[str, pl.DataFrame], interval: timedelta, columns: Collection[str] = ()
) -> pl.DataFrame:
    """A table's rows by symbol and time, with some of its computed columns and, in `_KNOWN`, when each became known."""
    frame = inputs[source.table.name]
    if source.symbol is not None:
        frame = frame.filter(pl.col("symbol") == source.symbol)
    if "event_timestamp" in frame.columns:
        frame = frame.rename({"event_timestamp": _KNOWN})
    else:
        frame = frame.with_columns((pl.col("open_time").cast(TIME) + source.table.bar(interval)).alias(_KNOWN))
    if not in_order(frame, _KNOWN):
        frame = frame.sort("symbol", _KNOWN)
        _require_each_once(source.table.name, frame)
    if not columns:
        return frame
    added = [expression.alias(name) for name, expression in source.columns.items() if name in columns]
    windows, length = [(name, source.window) for name in columns], source.table.bar(interval)
    return pl.concat(
        within_reach(spell.with_columns(added), _KNOWN, length, windows) for spell in spells(frame, _KNOWN)
    )


def _require_each_once(table: str, rows: pl.DataFrame) -> None:
    """Check that no two rows of a table, by symbol and time, are of one symbol and time."""
    twice = rows.filter((pl.col("symbol") == pl.col("symbol").shift()) & (pl.col(_KNOWN) == pl.col(_KNOWN).shift()))
    if len(twice):
        symbol, time = twice.row(0, named=True)["symbol"], twice[_KNOWN][0]
        raise InputError(
            f"{table} has two rows of {symbol} that close at {time:%Y-%m-%d %H:%M}; pass current candles only."
        )


def _typed(group: "FeatureGroup", rows: pl.DataFrame, limit: float) -> pl.DataFrame:
    wanted = [*KEYS, *(feature.name for feature in group.features)]
    if missing := [name for name in wanted if name not in rows.columns]:
        raise InputError(
            f"{group.name} declares {', '.join(missing)}, which its function does not return; it returns "
            f"{', '.join(rows.columns)}. Return {', '.join(wanted)}."
        )
    complete = pl.col(COMPLETENESS).is_null() | (pl.col(COMPLETENESS) >= limit)
    keys = pl.col("symbol").cast(pl.String), pl.col("event_timestamp").cast(TIME)
    columns = (pl.when(complete).then(held(pl.col(f.name), f.column_type)).alias(f.name) for f in group.features)
    return by_symbol(rows.select(*keys, *completeness_columns(group), *columns), "event_timestamp")
