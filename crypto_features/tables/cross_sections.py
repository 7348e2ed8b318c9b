"""Refuses expressions that compare symbols: a group is computed one symbol at a time, where they compare nothing."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from crypto_features.errors import InputError

_BARS = 2000
_TIMES = ("open_time", "event_timestamp")


def refuse_cross_sections(reader: str, expression: pl.Expr, bar: timedelta) -> None:
    """Refuse an expression that needs the rows of several symbols at once.

    Args:
        reader: Who declares it.
        expression: The expression.
        bar: Length of the bars, or the shortest that they may have.

    Raises:
        InputError: if `.over` puts each bar of a symbol into a group of its own, or `.filter` chooses among symbols.
    """
    if not any(call in str(expression) for call in (".over(", ".filter(")):  # the tree takes longer to read.
        return
    for kind, node in _nodes(json.loads(expression.meta.serialize(format="json"))):
        if kind == "Filter" and "symbol" in _expression(node["by"]).meta.root_names():
            raise _error(reader, "filters by symbol, so for every other symbol nothing is left")
        if kind == "Over" and _is_alone([_expression(key) for key in node["partition_by"]], bar):
            keys = ", ".join(str(_expression(key)) for key in node["partition_by"])
            raise _error(reader, f"groups by {keys}, so each group is a single bar of one symbol")


def _error(reader: str, what: str) -> InputError:
    return InputError(
        f"{reader} {what}: a group is computed one symbol at a time, and comparing symbols is not possible yet. Group "
        "by a longer time, such as the day, or compare the symbols where the features are read."
    )


def _nodes(part: Any) -> Iterator[tuple[str, Any]]:
    """Every named node of an expression's tree."""
    if isinstance(part, dict):
        yield from part.items()
    for child in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _nodes(child)


def _expression(node: Any) -> pl.Expr:
    return pl.Expr.deserialize(io.StringIO(json.dumps(node)), format="json")


def _is_alone(keys: list[pl.Expr], bar: timedelta) -> bool:
    """Whether the keys tell every bar of a symbol from every other; keys that read prices are not judged."""
    if not {root for key in keys for root in key.meta.root_names()} <= {"symbol", *_TIMES}:
        return False
    opens = pl.Series(
        [datetime(2024, 1, 1, tzinfo=UTC) + i * bar for i in range(_BARS)], dtype=pl.Datetime("us", "UTC")
    )
    bars = pl.DataFrame({"symbol": ["BTC"] * _BARS, "open_time": opens, "event_timestamp": opens + bar})
    found = bars.select(pl.struct(key.alias(str(i)) for i, key in enumerate(keys)).n_unique())
    return bool(found.item() == _BARS)
