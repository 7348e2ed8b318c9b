"""Several files of one market as one history: where they overlap they must say the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl

from crypto_features.durations import timeframe
from crypto_features.errors import InputError
from crypto_features.sources.vendor import Span


@dataclass(frozen=True)
class Part:
    """One file's candles of a market.

    Args:
        path: The file.
        rows: `open_time` and the values of its candles.
        span: Its first and last candle, and their length.
    """

    path: Path
    rows: pl.LazyFrame
    span: Span


def fitting(lengths: Sequence[timedelta], interval: timedelta) -> timedelta:
    """The length from which candles of the interval are best made: itself, else the longest that divides it.

    >>> day, hour, minute = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
    >>> fitting([day, minute, 4 * hour], hour) == minute
    True
    """
    dividing = [length for length in lengths if not interval % length]
    return max(dividing) if dividing else min(lengths)


def joined(parts: Sequence[Part]) -> pl.LazyFrame:
    """The candles of all parts; one that several have, once.

    Raises:
        InputError: if two files differ in a candle, or their candles are not of one length.
    """
    first, *others = sorted(parts, key=lambda part: (part.span.first, part.path))
    rows, last = first.rows, first.span.last
    lengths = {part.span.length.interval: part.path for part in parts if part.span.length}
    if len(lengths) > 1:
        named = " and ".join(f"{path} candles of {timeframe(length)}" for length, path in lengths.items())
        raise InputError(f"{named}: files of one market must have candles of one length, or say theirs by name.")
    for part in others:
        new = part.rows
        if part.span.first <= last:
            _refuse_difference(rows, part)
            new = new.join(rows.select("open_time"), on="open_time", how="anti")
        rows, last = pl.concat([rows, new]), max(last, part.span.last)
    return rows


def _refuse_difference(rows: pl.LazyFrame, part: Part) -> None:
    values = [name for name in part.rows.collect_schema().names() if name != "open_time"]
    both = part.rows.join(rows, on="open_time", suffix=" before")
    differ = both.filter(pl.any_horizontal(pl.col(v).ne_missing(pl.col(f"{v} before")) for v in values))
    found = differ.sort("open_time").limit(1).collect()
    if found.height:
        value = next(v for v in values if found[v][0] != found[f"{v} before"][0])
        raise InputError(
            f"{part.path} has another candle of {found['open_time'][0]} than an earlier file of the same market "
            f"({value} {found[value][0]} and {found[f'{value} before'][0]}); keep one of them."
        )
