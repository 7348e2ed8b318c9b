"""An expression as a text for people: Polars' own, with our kernels by their names in place of `python_udf()`."""

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from crypto_features.errors import InputError
from crypto_features.versions.definition.expressions import tree

LONGEST = 2000
"""A longer text is cut: nobody reads it."""
_UDF = re.compile(r"(?:\.strict_cast\(Float64\))?\.python_udf\(\)")
_SPARED = (
    (re.compile(r"dyn (?:int|float): "), ""),
    (re.compile(r'col\("([^"]*)"\)'), r"\1"),
    (re.compile(r"(?<=[\[ ])\(([\w.-]+)\)"), r"\1"),  # one name or number.
    (re.compile(r"\(\[([^\[\]]*)\]\)"), r"(\1)"),  # the arguments of a function.
)
"""What Polars writes around names, numbers and arguments, and what stays of it."""


def expression_text(expression: pl.Expr) -> str:
    """The expression, such as `[close / close.window_mean(bars=20)]`."""
    text = str(expression)
    try:
        kernels = [*_kernels(tree(expression)[1])]
    except InputError:
        kernels = []
    if len(kernels) == len(_UDF.findall(text)):
        named = iter(kernels)
        text = _UDF.sub(lambda _: f".{next(named)}", text)
    for around, kept in _SPARED:
        text = around.sub(kept, text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _kernels(part: Any) -> Iterator[str]:
    """The functions in a tree, in the order in which Polars prints them: what one reads comes before it."""
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "AnonymousFunction":
                yield from _kernels(value.get("input"))
                yield _called(value.get("function"))
            else:
                yield from _kernels(value)
    elif isinstance(part, list):
        for value in part:
            yield from _kernels(value)


def _called(found: object) -> str:
    """The kernel behind a function that Polars wrapped, with the numbers and texts that it holds."""
    function = found[1] if isinstance(found, tuple) and len(found) > 1 else found
    function = getattr(function, "function", function)
    while inner := [cell for cell in _held(function).values() if callable(cell)]:
        function = inner[0]
    held = {name: value for name, value in _held(function).items() if isinstance(value, int | float | str)}
    return f"{_outer(function)}({', '.join(f'{name}={value!r}' for name, value in held.items())})"


def _held(function: object) -> dict[str, Any]:
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    return dict(zip(names, (cell.cell_contents for cell in getattr(function, "__closure__", None) or ()), strict=True))


def _outer(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__)).partition(".")[0]
