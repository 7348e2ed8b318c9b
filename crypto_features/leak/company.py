"""A market around one symbol, for groups that compare symbols: what happens to it happens to all at the same time."""

from collections.abc import Sequence

import polars as pl

LEADER = "FIRST"
"""The symbol that the others are made from, and whose rows are judged."""
MEMBERS = ("SECOND", "THIRD", "FOURTH")
_PRICES = ("open", "high", "low", "close")
_SHAKEN, _CHAOS = 0.02, 7919


def company(frame: pl.DataFrame, named: Sequence[str]) -> pl.DataFrame:
    """The bars of one symbol and of others made from each of them alone.

    The others move less the later they come, so that the leader is among the first of them where it rises and among the
    last where it falls, and each a little by the digits of its close.

    Args:
        frame: Bars of one symbol.
        named: Symbols that are read by their name.
    """
    names = dict.fromkeys((LEADER, *named, *MEMBERS))
    return pl.concat(_member(frame, name, number) for number, name in enumerate(names))


def _member(frame: pl.DataFrame, name: str, number: int) -> pl.DataFrame:
    power = 1 / (number + 1)
    shaken = 1 + _SHAKEN * (pl.col("close").log() * (_CHAOS * number)).sin()
    moved = [pl.col(column).pow(power) * shaken for column in _PRICES]
    return frame.with_columns(*moved, pl.col("volume").pow(power) * shaken, symbol=pl.lit(name))
