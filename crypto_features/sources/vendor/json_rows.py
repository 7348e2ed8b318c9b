"""The rows in a JSON text: a list of them, one in each line, one among other keys, or their columns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from crypto_features.errors import InputError
from crypto_features.sources.vendor.columns import is_header
from crypto_features.sources.vendor.layouts import headerless

_TRIED_ROWS = 50
_DEEPEST = 6
"""Levels of objects above the rows: answers of exchanges have up to four."""
_SHOWN = 5
_TODO = (
    'Write each row as an object, such as {"open_time": 1704067200000, "open": 1.0, "high": 1.0, "low": 1.0, '
    '"close": 1.0, "volume": 1.0}, and all of them as one list.'
)


def json_rows(path: Path, text: str) -> pl.LazyFrame:
    """The rows of a text as freqtrade, ccxt and Binance write them, of records, or of an exchange's whole answer.

    Raises:
        InputError: if it holds no list of rows, several, or rows in no known order.
        pl.exceptions.PolarsError: if it is not JSON.
    """
    text = _one_list(text.strip())
    if text.startswith("{"):
        text = json.dumps(_inside(path, text))
    if not text.removeprefix("[").lstrip().startswith("["):
        return pl.read_json(text.encode(), infer_schema_length=None).lazy()
    rows = pl.Series([text]).str.json_decode(pl.List(pl.List(pl.String))).explode().drop_nulls()
    widths = rows.list.len().unique().sort().to_list()
    whole = rows.filter(~rows.list.eval(pl.element().is_null()).list.any())
    names = headerless([list(row) for row in whole.head(_TRIED_ROWS)]) if len(widths) == 1 else None
    if names is None:
        raise InputError(f"{path} holds rows of {', '.join(map(str, widths))} values in no known order. {_TODO}")
    return rows.list.to_struct(fields=list(names)).struct.unnest().lazy()


def _one_list(text: str) -> str:
    """JSON Lines as one list."""
    first, _, rest = text.partition("\n")
    is_lines = first.rstrip().endswith(("}", "]")) and rest.lstrip()[:1] in ("{", "[")
    return f"[{','.join(filter(None, map(str.strip, text.splitlines())))}]" if is_lines else text


def _inside(path: Path, text: str) -> list[Any]:
    """The one list of rows in an object, wherever it stands."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise pl.exceptions.ComputeError(f"it is not JSON: {error}") from None
    found = dict(_tables(whole, ""))
    of_candles = [rows for rows in found.values() if _are_candles(rows)] or [*found.values()]
    if len(of_candles) == 1:
        return of_candles[0]
    what = f"several lists of rows ({', '.join([*found][:_SHOWN])})" if found else "no list of rows of candles"
    raise InputError(f"{path} is an object of {', '.join([*whole][:_SHOWN])}, which holds {what}. {_TODO}")


def _tables(value: Any, path: str) -> Iterator[tuple[str, list[Any]]]:
    """Every list of rows in a value, by the keys that lead to it."""
    if isinstance(value, list) and value:
        if all(isinstance(row, list) for row in value) or all(isinstance(row, dict) for row in value):
            yield path, value
    elif isinstance(value, dict) and path.count("/") <= _DEEPEST:
        rows = _by_columns(value)
        if rows is not None:
            yield path, rows
            return
        for key, inner in value.items():
            yield from _tables(inner, f"{path}/{key}")


def _by_columns(value: Mapping[str, Any]) -> list[Any] | None:
    """The rows of an object that holds a list for each column, or is one of the forms that pandas writes."""
    names, rows = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(rows, list):  # its `split`
        index = value.get("index", [None] * len(rows))
        return [{"index": i, **dict(zip(names, row, strict=False))} for i, row in zip(index, rows, strict=False)]
    lists = {name: inner for name, inner in value.items() if isinstance(inner, list)}
    if is_header([*lists]):
        return _rows(lists)
    objects = {name: inner for name, inner in value.items() if isinstance(inner, dict)}
    if is_header([*objects]):  # its `columns`: an object by row for each column
        index = [*next(iter(objects.values()))]
        return _rows({"index": index, **{name: [inner.get(i) for i in index] for name, inner in objects.items()}})
    if objects and len(objects) == len(value) and all(is_header([*inner]) for inner in objects.values()):
        return [{"index": i, **inner} for i, inner in objects.items()]  # its `index`
    return None


def _rows(columns: Mapping[str, Sequence[Any]]) -> list[Any]:
    most = max(map(len, columns.values()))
    same = {name: column for name, column in columns.items() if len(column) == most}
    return [dict(zip(same, row, strict=True)) for row in zip(*same.values(), strict=True)]


def _are_candles(rows: Sequence[Any]) -> bool:
    if isinstance(rows[0], dict):
        return is_header([*rows[0]])
    return headerless([[str(value) for value in row] for row in rows[:_TRIED_ROWS]]) is not None
