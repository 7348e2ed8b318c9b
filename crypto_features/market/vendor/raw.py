"""A candle file as its vendor wrote it: which line is the header, which character divides the fields."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from crypto_features.errors import InputError
from crypto_features.market.vendor.columns import KLINE, is_header

_HEAD_BYTES = 65_536
_BANNER_LINES = 10
_SHOWN_ROWS = 3
_DELIMITERS = ",;\t|"


def raw_rows(path: Path) -> tuple[pl.LazyFrame, str]:
    """The file's own columns, those of a text as strings, and its first rows for an error to show.

    Raises:
        InputError: if the file is not whole, is no UTF-8 text, or has no header that names the columns of a candle.
    """
    if path.suffix.lower() == ".parquet":
        try:
            pq.read_metadata(path)
            lazy = pl.scan_parquet(path)
            return lazy, str(lazy.limit(_SHOWN_ROWS).collect())
        except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
            why = str(error).splitlines()[0]
            raise InputError(f"{path} is not a whole Parquet file ({why}). Copy it again from its origin.") from None
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a UTF-8 text ({error.reason} at byte {error.start}).") from None
    lines = text.splitlines()
    shown = "\n".join(lines[:_SHOWN_ROWS])
    for skipped, line in enumerate(lines[: _BANNER_LINES + 1]):
        for delimiter in _DELIMITERS:
            fields = next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
            if is_header(fields):
                if not any(later.strip() for later in lines[skipped + 1 :]):
                    raise InputError(f"the file holds no candle: {path}; its first rows:\n{shown}")
                return _scan(path, delimiter, skipped, [field.strip() for field in fields], shown), shown
            if not skipped and len(fields) == len(KLINE) and _all_numbers(fields):
                return _scan(path, delimiter, None, list(KLINE), shown), shown
    raise InputError(
        "no line names the columns of a candle (a stamp, open, high, low, close and volume); add such a line. "
        f"{path}; its first rows:\n{shown or '(the file is empty)'}"
    )


def _scan(path: Path, delimiter: str, header: int | None, names: Sequence[str], shown: str) -> pl.LazyFrame:
    if len(set(names)) < len(names):
        raise InputError(f"the file has two columns of one name: {path}; its first rows:\n{shown}")
    return pl.scan_csv(
        path,
        separator=delimiter,
        has_header=False,
        new_columns=list(names),
        skip_lines=0 if header is None else header + 1,
        infer_schema=False,
    )


def _all_numbers(fields: Sequence[str]) -> bool:
    try:
        return all(float(field) >= 0 for field in fields)
    except ValueError:
        return False
