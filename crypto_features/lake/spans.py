"""Sets of candles as spans of their numbers: what is there, what is missing, and how a file says so."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import polars as pl

from crypto_features.tables.order import in_order
from crypto_features.tables.raw_rows import RAW_KEY

Span: TypeAlias = tuple[int, int]
"""The candles from one number up to, and without, another. Candle 0 opens at 1970-01-01 UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(time: datetime, interval: timedelta) -> int:
    """The number of the candle that is open at a time."""
    return (time - _EPOCH) // interval


def opening(candle: int, interval: timedelta) -> datetime:
    """The open time of a candle."""
    return _EPOCH + candle * interval


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same candles in as few spans as possible, in order.

    >>> joined([(5, 7), (1, 3), (2, 5), (9, 9)])
    [(1, 7)]
    """
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        elif start < end:
            found.append((start, end))
    return found


def without(span: Span, taken: Iterable[Span]) -> list[Span]:
    """The parts of a span that no other one covers.

    >>> without((0, 10), [(-2, 1), (4, 6)])
    [(1, 4), (6, 10)]
    """
    found, (start, end) = [], span
    for first, last in joined(taken):
        found.append((start, min(first, end)))
        start = max(start, last)
    return [part for part in (*found, (start, end)) if part[0] < part[1]]


def common(one: Span, other: Span) -> list[Span]:
    """The candles that both have, as a list of one span or of none.

    >>> common((0, 5), (3, 9)), common((0, 3), (3, 9))
    ([(3, 5)], [])
    """
    start, end = max(one[0], other[0]), min(one[1], other[1])
    return [(start, end)] if start < end else []


def spans_of(candles: pl.DataFrame, interval: timedelta, holds: pl.Expr | None = None) -> dict[str, list[Span]]:
    """Which candles each symbol has, or for which other rows leave none to be expected.

    Args:
        candles: Any number of versions of candles or other raw rows, in any order.
        interval: Length of a candle, or the step by which others are counted.
        holds: For how long a row leaves none to be expected, over one symbol's rows in time order.
    """
    if holds is not None:
        return _held_spans(candles, interval, holds)
    keys = candles.select(RAW_KEY)
    if keys.is_empty():
        return {}
    keys = keys if in_order(keys, "open_time") else keys.unique().sort(RAW_KEY)
    numbers = keys["open_time"].to_physical() // (interval // timedelta(microseconds=1))
    ends = keys["symbol"].rle().struct.field("len").cum_sum().to_list()
    breaks = (numbers.diff() != 1).fill_null(value=False).arg_true().to_list()
    firsts = sorted({0, *ends[:-1], *breaks})
    lasts = [position - 1 for position in (*firsts[1:], *ends[-1:])]
    found: dict[str, list[Span]] = {}
    for symbol, first, last in zip(
        *(column.gather(rows) for column, rows in ((keys["symbol"], firsts), (numbers, firsts), (numbers, lasts))),
        strict=True,
    ):
        found.setdefault(symbol, []).append((first, last + 1))
    return found


def _held_spans(rows: pl.DataFrame, step: timedelta, holds: pl.Expr) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for (symbol,), part in rows.unique(RAW_KEY).sort(RAW_KEY).partition_by("symbol", as_dict=True).items():
        lasting = part.select("open_time", until=pl.col("open_time") + holds)
        found[str(symbol)] = joined(
            (number(a, step), max(number(b, step), number(a, step) + 1)) for a, b in lasting.iter_rows()
        )
    return found


def to_texts(spans: Mapping[str, Iterable[Span]], first: int) -> dict[str, str]:
    """As a person can read it: the candles of each symbol, counted from `first`.

    >>> to_texts({"BTC": [(100, 105), (107, 110)]}, 100)
    {'BTC': '0-5,7-10'}
    """
    return {name: ",".join(f"{a - first}-{b - first}" for a, b in joined(parts)) for name, parts in spans.items()}


def from_texts(texts: Mapping[str, str], first: int) -> dict[str, list[Span]]:
    """What `to_texts` wrote.

    >>> from_texts({"BTC": "0-5,7-10", "ETH": ""}, 100)
    {'BTC': [(100, 105), (107, 110)], 'ETH': []}
    """
    return {name: [_span(part, first) for part in text.split(",") if part] for name, text in texts.items()}


def _span(text: str, first: int) -> Span:
    start, _, end = text.partition("-")
    return int(start) + first, int(end) + first
