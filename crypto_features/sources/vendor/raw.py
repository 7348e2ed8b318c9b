"""A candle file's own rows, as its vendor wrote them: texts, Parquet, Arrow and JSON."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from crypto_features.sources.apart import apart
from crypto_features.sources.vendor.binary import BINARY, WIDTH, convert, not_whole, refuse_size
from crypto_features.sources.vendor.container import unpacked
from crypto_features.sources.vendor.json_rows import json_rows
from crypto_features.sources.vendor.text import text_rows

_SHOWN_ROWS = 3


@dataclass(frozen=True)
class Raw:
    """A file's own rows.

    Args:
        rows: Its columns, those of a text as strings.
        where: The file and its first rows, for an error to show.
        line: Number of the line that holds the first row; 0 if the file is not a text.
    """

    rows: pl.LazyFrame
    where: str
    line: int = 0


def raw_rows(path: Path, spool: Path, limit: int, chosen: Collection[str]) -> Raw:
    """The rows of a candle file as they are written; its first bytes say what it is.

    Raises:
        InputError: if the file is not whole or too large, its beginning is not UTF-8 text, or no header names the
            columns of a candle.
    """
    plain = unpacked(path, spool / "unpacked", limit)
    with plain.open("rb") as file:
        head = file.read(16).lstrip(b"\xef\xbb\xbf \r\n\t")
    if head.startswith(BINARY):
        apart(convert, path, plain, spool / "converted", limit)
        return _simple_rows(path, pl.scan_parquet(spool / "converted"))
    if head.startswith((b"[", b"{")):
        refuse_size(path, plain.stat().st_size * WIDTH, limit)
        try:
            return _simple_rows(path, json_rows(path, plain.read_text(encoding="utf-8-sig")))
        except (UnicodeDecodeError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise not_whole(path, error) from None
    rows, shown, line = text_rows(path, plain, spool, chosen)
    return Raw(rows, f"{path}; its first rows:\n{shown}", line)


def _simple_rows(path: Path, rows: pl.LazyFrame) -> Raw:
    """Without the encodings of texts that only repeat themselves."""
    encoded = [name for name, dtype in rows.collect_schema().items() if isinstance(dtype, (pl.Categorical, pl.Enum))]
    rows = rows.with_columns(pl.col(encoded).cast(pl.String)) if encoded else rows
    return Raw(rows, f"{path}; its first rows:\n{rows.limit(_SHOWN_ROWS).collect()}")
