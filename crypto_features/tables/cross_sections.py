"""Tells expressions that compare symbols from those that look back along one, and refuses each where it has no sense.

A group is computed one symbol at a time, where comparing symbols compares nothing; with `across="symbols"` it is
computed one bar time at a time, where there is no bar before.
"""

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from crypto_features.errors import InputError

_BARS = 2000
_TIMES = ("open_time", "event_timestamp")
_KERNELS = b"crypto_features.compute.cross"
_WINDOWS = tuple(
    f"crypto_features.compute.{name}".encode() for name in ("windows", "pairs", "indicators", "ta_adapter")
)
_ALONG = ("Over", "Shift", "Diff", "Cum", "Ewm", "Rolling", "FillNullWithStrategy", "Interpolate", "PctChange")
_NEIGHBOURS = ("First", "Last", "Gather", "Slice", "Range", "RLE", "Reverse", "Eval", "Random")
"""How the names of what depends on the order of rows begin."""
_BETWEEN_ROWS = {"Agg", "AnonymousFunction", "Explode", "Filter", "Sort", "SortBy", "StructEval"}
"""What reads several rows, beside functions and what is refused."""


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


def refuse_windows(reader: str, expression: pl.Expr) -> None:
    """Refuse an expression that depends on the order of its rows, which are the symbols of one bar time.

    Args:
        reader: Who declares it.
        expression: The expression.

    Raises:
        InputError: if it shifts, adds up, rolls, or computes one of the window kernels.
    """
    found = next((name for name in _names(_tree(expression)) if name.startswith((*_ALONG, *_NEIGHBOURS))), "")
    if not found and any(name in data for data in _functions(_tree(expression)) for name in _WINDOWS):
        found = "a window"
    if found:
        raise InputError(
            f"{reader} computes {found} over the symbols of one bar time, which have no order. Compute what looks back "
            "along a symbol in a group by symbol, or in Join(columns=...), and join it."
        )


def at_each_time(expression: pl.Expr) -> pl.Expr:
    """An expression of a cross-section for rows of many bar times: each is computed by itself."""
    tree = _tree(expression)
    if _row_by_row(_kernels(tree, lambda _: {"Column": "its values"})):
        return _expression(_kernels(tree, _at_each_time))
    return expression.over("event_timestamp")


def _at_each_time(kernel: Any) -> Any:
    """The node of a kernel, of which each value is that of its bar time: the kernel tells the times apart itself."""
    *times, values = kernel["AnonymousFunction"]["input"]
    apart = _tree(at_each_time(_expression(values)))
    return {"AnonymousFunction": {**kernel["AnonymousFunction"], "input": [*times, apart]}}


def _row_by_row(tree: Any) -> bool:
    """Whether each row of an expression's tree is computed by itself; `False` where it is not sure."""
    if isinstance(tree, list):
        return all(map(_row_by_row, tree))
    if not isinstance(tree, dict):
        return bool(tree != "Len")
    if "Function" in tree and not _expression(tree).meta.is_row_separable():
        return False
    return _BETWEEN_ROWS.isdisjoint(tree) and all(map(_row_by_row, tree.values()))


def _tree(expression: pl.Expr) -> Any:
    return json.loads(expression.meta.serialize(format="json"))


def _names(part: Any) -> Iterator[str]:
    """The names of all nodes of an expression's tree, those without parameters too."""
    for kind, node in _nodes(part):
        yield kind
        if kind == "function" and isinstance(node, str):
            yield node


def _functions(part: Any) -> Iterator[bytes]:
    """The pickles of the Python functions of an expression's tree."""
    for kind, node in _nodes(part):
        if kind == "AnonymousFunction":
            yield bytes(node["function"])


def _kernels(part: Any, instead: Callable[[Any], Any]) -> Any:
    """The tree with something in place of each kernel; what lies within one is not looked at."""
    if isinstance(part, list):
        return [_kernels(child, instead) for child in part]
    if not isinstance(part, dict):
        return part
    python = part.get("AnonymousFunction")
    if python is not None and _KERNELS in bytes(python["function"]):
        return instead(part)
    return {name: _kernels(child, instead) for name, child in part.items()}


def _error(reader: str, what: str) -> InputError:
    return InputError(
        f"{reader} {what}: a group is computed one symbol at a time. Declare across='symbols' for a group that "
        "compares symbols, or group by a longer time, such as the day."
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
