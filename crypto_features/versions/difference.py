"""How newly computed rows differ from those that are published: which symbols, which columns, and by how much."""

from dataclasses import dataclass

import polars as pl

LAST_BITS = 1e-9
"""Relative difference up to which another value is the same value, computed by another algebra."""


@dataclass(frozen=True)
class Difference:
    """What differs.

    Args:
        symbols: The symbols of rows that differ; `None` if rows belong to no symbol.
        columns: The columns that differ.
        only_bits: Whether all that differs is numbers, each by no more than `LAST_BITS` of its size.
    """

    symbols: frozenset[str] | None
    columns: frozenset[str]
    only_bits: bool = False


def difference(new: pl.DataFrame, old: pl.DataFrame) -> Difference | None:
    """What differs in any bit, or in type; `None` if nothing does.

    Args:
        new: Computed rows, keyed by `symbol` and `open_time` or `event_timestamp`; or fitted models, with `version`.
        old: Published rows; of another schema if they were written by an earlier declaration.
    """
    if "version" in new.columns:
        same = old.width > 0 and new["version"].to_list() == old["version"].to_list()
        return None if same else Difference(None, frozenset(new.columns))
    retyped = frozenset(n for n in {*new.columns, *old.columns} if new.schema.get(n) != old.schema.get(n))
    if retyped and (new.height or old.height):
        return Difference(frozenset(new["symbol"]).union(old["symbol"] if old.width else ()), retyped)
    keys = ["symbol", "open_time" if "open_time" in new.columns else "event_timestamp"]
    names = [name for name in new.columns if name not in keys]
    both = new.with_columns(_new=True).join(
        old.select(*new.columns, _old=True) if old.width else new.clear().with_columns(_old=True),
        on=keys,
        how="full",
        suffix="_was",
        coalesce=True,
    )
    moved = both.filter(pl.col("_new").is_null() | pl.col("_old").is_null())["symbol"]
    if len(moved):
        touched = both.filter(pl.any_horizontal(_differs(name) for name in names))["symbol"] if names else moved
        return Difference(frozenset(moved).union(touched), frozenset(new.columns))
    differ = {name: found for name in names if len(found := both.filter(_differs(name)))}
    if not differ:
        return None
    symbols = frozenset(symbol for found in differ.values() for symbol in found["symbol"])
    return Difference(symbols, frozenset(differ), all(_only_bits(found, name) for name, found in differ.items()))


def _differs(name: str) -> pl.Expr:
    return pl.col(name).ne_missing(pl.col(f"{name}_was"))


def _only_bits(differing: pl.DataFrame, name: str) -> bool:
    if not differing.schema[name].is_float():
        return False
    now, was = pl.col(name), pl.col(f"{name}_was")
    close = (now - was).abs() <= LAST_BITS * pl.max_horizontal(now.abs(), was.abs())
    return bool(differing.select(close.fill_null(value=False).all()).item())
