"""A text of candles: which line is the header, which character divides the fields, and which ends a line."""

import codecs
import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from crypto_features.errors import InputError
from crypto_features.sources.vendor.columns import is_header
from crypto_features.sources.vendor.container import rewritten
from crypto_features.sources.vendor.layouts import headerless

_HEAD_BYTES = 65_536
_BANNER_LINES = 10
_SHOWN_ROWS = 3
_TRIED_ROWS = 50
_DELIMITERS = ",;\t|"
_NULLS = ["null", "NULL", "None"]
_YFINANCE = ("Ticker", "Date", "Datetime")
"""How the further header lines of yfinance's files begin."""
LONGER = "name every column in the header, or delete what is too much"
"""What to do where a row has more fields than the header."""


def text_rows(path: Path, plain: Path, spool: Path, chosen: Collection[str]) -> tuple[pl.LazyFrame, str, int]:
    """The rows of a text as strings, its first lines, and the number of the line that holds the first row.

    Raises:
        InputError: if its beginning is not UTF-8, or it has neither a header that names the columns of a candle nor
            the columns of a known file without one.
    """
    with plain.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if b"\r" in head and b"\n" not in head:
        plain = rewritten(plain, spool / "lines", lambda chunk: chunk.replace(b"\r", b"\n"))
    text = _decoded(path, head)
    lines = text.splitlines()
    shown = "\n".join(lines[:_SHOWN_ROWS])
    for skipped, line in enumerate(lines[: _BANNER_LINES + 1]):
        for delimiter in _DELIMITERS:
            fields = _fields(line, delimiter)
            if is_header(fields, chosen):
                first = next((i for i, later in enumerate(lines) if i > skipped and _is_row(later)), None)
                if first is None:
                    raise InputError(f"the file holds no candle: {path}; its first rows:\n{shown}")
                named = _named(fields)
                _refuse_longer(lines[first:_TRIED_ROWS], delimiter, first, named, f"{path}; its first rows:\n{shown}")
                return _scan(plain, delimiter, first, named), shown, first + 1
            if not skipped and (names := headerless(_first_rows(head, lines, delimiter))):
                return _scan(plain, delimiter, 0, names), shown, 1
    sought = f" nor has those of CRYPTO_FEATURES_FILES_COLUMNS ({', '.join(chosen)})" if chosen else ""
    raise InputError(
        f"no line names the columns of a candle{sought}. If one does in its own words, give them by "
        "CRYPTO_FEATURES_FILES_COLUMNS=open=<column>,high=<column>,...; if none does, add a first line in the order of "
        f"the columns, such as open_time,open,high,low,close,volume. {path}; its first rows:\n"
        f"{shown or '(the file is empty)'}"
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


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader(io.StringIO(line), delimiter=delimiter), [])]
    except csv.Error:
        return []


def _first_rows(head: bytes, lines: Sequence[str], delimiter: str) -> list[list[str]]:
    whole = lines if len(head) < _HEAD_BYTES else lines[:-1]
    return [_fields(line, delimiter) for line in whole[:_TRIED_ROWS] if line.strip()]


def _refuse_longer(rows: Sequence[str], delimiter: str, skipped: int, names: Sequence[str], where: str) -> None:
    for number, row in enumerate(rows, skipped + 1):
        if (count := len(_fields(row, delimiter))) > len(names):
            raise InputError(
                f"line {number} has {count} fields, and the header names {len(names)} ({', '.join(names)}); {LONGER}. "
                f"{where}"
            )


def _is_row(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(tuple(f"{word}," for word in _YFINANCE))


def _named(fields: Sequence[str]) -> list[str]:
    """The columns' names as pandas gives them: `Unnamed: 0` for an empty one, `open.1` for the second `open`."""
    named: list[str] = []
    for i, field in enumerate(fields):
        name = field or f"Unnamed: {i}"
        times = sum(earlier == name for earlier in fields[:i])
        named.append(f"{name}.{times}" if times else name)
    return named


def _scan(plain: Path, delimiter: str, skipped: int, names: Sequence[str]) -> pl.LazyFrame:
    return pl.scan_csv(
        plain,
        separator=delimiter,
        has_header=False,
        new_columns=list(names),
        skip_lines=skipped,
        infer_schema=False,
        null_values=_NULLS,
    )
