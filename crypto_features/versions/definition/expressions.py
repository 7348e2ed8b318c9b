"""What a Polars expression is: its tree, with the Python functions in it as functions.

Polars serializes a function within an expression as a pickle, behind the version of the Python that wrote it. A pickle
holds paths and bytecode, so it is opened again.
"""

import json
import pickle
import re
import sys
from typing import Any

import polars as pl

from crypto_features.errors import InputError

_WRITER = bytes((sys.version_info.minor, sys.version_info.micro))
_FIELD = re.compile(rb"\x82\xa4name.*(?=[\xc2\xc3]{2}$)", re.DOTALL)
"""The column that a function gave when it last ran, which Polars keeps in front of it: none before it first runs."""
_PICKLES = tuple(bytes((by_value,)) + _WRITER + b"\x80" for by_value in (0, 1))


def tree(expression: pl.Expr) -> Any:
    """The expression as nested lists, dicts, numbers and texts; in place of a pickle stands what it holds.

    Raises:
        InputError: if the expression holds a function that cannot be pickled.
    """
    try:
        text = expression.meta.serialize(format="json")
    except (pl.exceptions.PolarsError, pickle.PicklingError, TypeError, AttributeError) as error:
        raise InputError(
            f"{expression} cannot be read: {error}. Functions in an expression may hold numbers, texts, frames and "
            "other functions; open connections, files and locks inside them."
        ) from None
    return str(expression), _opened(json.loads(text))  # JSON has no infinities; the text has.


def _opened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _opened(part) for key, part in value.items()}
    if not isinstance(value, list):
        return value
    try:
        data = bytes(value)
    except (TypeError, ValueError):  # other values than bytes.
        return [_opened(part) for part in value]
    start = next((at for mark in _PICKLES if (at := data.find(mark)) >= 0), None)
    if start is None:
        return data
    return _FIELD.sub(b"\xc0", data[:start]), pickle.loads(data[start + 1 + len(_WRITER) :])  # noqa: S301 - written here a moment ago.
