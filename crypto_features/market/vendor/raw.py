"""A candle file as its vendor wrote it: which line is the header, which character divides the fields."""

import codecs
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Raw:
    """A file's own rows.

    Args:
        rows: Its columns, those of a text as strings.
        shown: Its first rows, for an error to show.
        line: Number of the line that holds the first row.
    """

    rows: pl.LazyFrame
    shown: str
    line: int = 1


def raw_rows(path: Path) -> Raw:
    """The rows of a candle file as they are written.

    Raises:
        InputError: if the file is not whole, its beginning is no UTF-8 text, or it has no header that names the columns
            of a candle.
    """
    if path.suffix.lower() == ".parquet":
        try:
            pq.read_metadata(path)
            lazy = pl.scan_parquet(path)
            return Raw(lazy, str(lazy.limit(_SHOWN_ROWS).collect()))
        except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
            why = str(error).splitlines()[0]
            raise InputError(f"{path} is not a whole Parquet file ({why}). Copy it again from its origin.") from None
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    text = _decoded(path, head)
    lines = text.splitlines()
    shown = "\n".join(lines[:_SHOWN_ROWS])
    for skipped, line in enumerate(lines[: _BANNER_LINES + 1]):
        for delimiter in _DELIMITERS:
            fields = next(csv.reader(io.StringIO(line), delimiter=delimiter), [])
            if is_header(fields):
                first = next((i for i, later in enumerate(lines) if i > skipped and later.strip()), None)
                if first is None:
                    raise InputError(f"the file holds no candle: {path}; its first rows:\n{shown}")
                return _scan(path, delimiter, first, [field.strip() for field in fields], shown)
            if not skipped and len(fields) == len(KLINE) and _all_numbers(fields):
                return _scan(path, delimiter, 0, list(KLINE), shown)
    raise InputError(
        "no line names the columns of a candle (a stamp, open, high, low, close and volume); add such a line. "
        f"{path}; its first rows:\n{shown or '(the file is empty)'}"
    )


def _decoded(path: Path, head: bytes) -> str:
    """The beginning of a text; a character that the limit of what is read cuts in two is left out."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path} is not a UTF-8 text but UTF-16; save it as UTF-8.")
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=len(head) < _HEAD_BYTES)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not a UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8."
        ) from None


def _scan(path: Path, delimiter: str, skipped: int, names: Sequence[str], shown: str) -> Raw:
    if len(set(names)) < len(names):
        raise InputError(f"the file has two columns of one name: {path}; its first rows:\n{shown}")
    rows = pl.scan_csv(
        path, separator=delimiter, has_header=False, new_columns=list(names), skip_lines=skipped, infer_schema=False
    )
    return Raw(rows, shown, skipped + 1)


def _all_numbers(fields: Sequence[str]) -> bool:
    try:
        return all(float(field) >= 0 for field in fields)
    except ValueError:
        return False
