"""Altered markets of a group whose rows depend on other symbols: every symbol is altered, not one at a time.

Such a group is computed once for each altered market. A round is a market: a variant for each of its symbols, all of
one probe and one cut.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

import polars as pl

from crypto_features.leak.calendar import spans, turns
from crypto_features.leak.subject import Subject
from crypto_features.leak.variants import Variant, interrupted, named, perturbed, stacked, truncated
from crypto_features.tables.others import compares_symbols

CUTS = 12
"""How many times the whole market is altered at, by each way of altering it."""
NEWCOMER = "NEWCOMER"
Markets = Mapping[str, pl.DataFrame]


def rows_of(subject: Subject, variants: Sequence[Variant], months: Sequence[str] | None = None) -> pl.DataFrame:
    """The rows of each variant; the symbol is its number.

    Args:
        subject: The group; if it compares symbols, the variants come in rounds.
        variants: The altered markets.
        months: Of a group that declares a function, the months wanted.
    """
    if not compares_symbols(subject.group):
        return subject.rows(stacked(variants), months)
    found, number = [], 0
    for _, part in groupby(variants, key=lambda variant: (variant.probe, variant.cut)):
        of_round = list(part)
        numbers = {variant.symbol: str(number + i) for i, variant in enumerate(of_round)}
        number += len(of_round)
        rows = subject.rows(named(of_round), months)
        found.append(rows.with_columns(pl.col("symbol").replace(numbers)))
    return pl.concat(found)


def futures(markets: Markets, cuts: Sequence[datetime], interval: timedelta, end: datetime) -> Iterator[Variant]:
    """Rounds in which the future is another: of every symbol, of all but one, without one, or with one more.

    Args:
        markets: Candles by symbol.
        cuts: When the future begins.
        interval: Length of a candle.
        end: When the markets end.
    """
    for cut in cuts:
        for alter in (truncated, perturbed, interrupted):
            for symbol, market in markets.items():
                yield from alter(market, symbol, [cut], interval)
    names = sorted(markets)
    for number, cut in enumerate(cuts):
        chosen, as_it_is = names[number % len(names)], {s: Variant("", s, cut, m, end) for s, m in markets.items()}
        for symbol, variant in as_it_is.items():
            others = perturbed(variant.candles, symbol, [cut], interval) if symbol != chosen else [variant]
            yield from (replace(one, probe="elsewhere") for one in others)
        for symbol, variant in as_it_is.items():
            gone = truncated(variant.candles, symbol, [cut], interval) if symbol == chosen else [variant]
            yield from (replace(one, probe="delist") for one in gone)
        newcomer = markets[chosen].filter(pl.col("open_time") >= cut)
        newcomer = newcomer.with_columns(pl.col("open", "high", "low", "close") * 1.7, pl.col("volume") * 3)
        yield from (replace(variant, probe="list") for variant in as_it_is.values())
        yield Variant("list", NEWCOMER, cut, newcomer.with_columns(symbol=pl.lit(NEWCOMER)), end)


def chosen_cuts(found: Mapping[str, Sequence[datetime]], seed: int) -> list[datetime]:
    """Some of the times at which symbols are cut."""
    every = sorted({cut for cuts in found.values() for cut in cuts})
    return sorted(random.Random(seed).sample(every, min(CUTS, len(every))))  # noqa: S311 - a seeded choice of cuts.


def on_month_ends(markets: Markets, interval: timedelta) -> list[Variant]:
    """Rounds in which the whole market ends with a month, or with the turn of a clock."""
    return [
        variant
        for cut in turns(*spans(interval)[1])
        for symbol, market in markets.items()
        for variant in truncated(market, symbol, [cut], interval)
    ]


def reversed_names(markets: Markets, kept: Sequence[str]) -> dict[str, str]:
    """Other names for the symbols, in the opposite order; those that are read by name keep theirs."""
    names = sorted(set(markets) - {*kept})
    return dict(zip(names, [f"{len(names) - i:04d}" for i in range(len(names))], strict=True))
