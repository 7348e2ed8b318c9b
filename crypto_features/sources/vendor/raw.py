"""A candle file's own rows, as its vendor wrote them: texts, Parquet, Arrow and JSON."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from crypto_features.errors import InputError
from crypto_features.sources.vendor.container import unpacked
from crypto_features.sources.vendor.json_rows import json_rows
from crypto_features.sources.vendor.text import text_rows

_SHOWN_ROWS = 3
_BATCH_ROWS = 100_000
_WIDTH = 8
"""Bytes that a value takes at least."""
_STREAM = b"\xff\xff\xff\xff"
"""How an Arrow stream begins."""


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
    try:
        if head.startswith(b"PAR1"):
            return _simple_rows(path, _parquet(path, plain, spool, limit))
        if head.startswith((b"ARROW1", b"FEA1")):
            return _simple_rows(path, _arrow(path, plain, spool, limit))
        if head.startswith(_STREAM):
            return _simple_rows(path, _arrow_stream(path, plain, spool, limit))
        if head.startswith((b"[", b"{")):
            return _simple_rows(path, _json(path, plain, limit))
    except (
        OSError,
        UnicodeDecodeError,
        pa.ArrowException,
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
    ) as error:
        why = str(error).splitlines()[0]
        raise InputError(f"{path} is not a whole file of candles ({why}). Copy it again from its origin.") from None
    rows, shown, line = text_rows(path, plain, spool, chosen)
    return Raw(rows, f"{path}; its first rows:\n{shown}", line)


def _simple_rows(path: Path, rows: pl.LazyFrame) -> Raw:
    """Without the encodings of texts that only repeat themselves."""
    encoded = [name for name, dtype in rows.collect_schema().items() if isinstance(dtype, (pl.Categorical, pl.Enum))]
    rows = rows.with_columns(pl.col(encoded).cast(pl.String)) if encoded else rows
    return Raw(rows, f"{path}; its first rows:\n{rows.limit(_SHOWN_ROWS).collect()}")


def _parquet(path: Path, plain: Path, spool: Path, limit: int) -> pl.LazyFrame:
    file = pq.ParquetFile(plain)
    schema = file.schema_arrow
    _refuse_size(path, _least_size(file.metadata), limit)
    if not any(pa.types.is_decimal256(field.type) for field in schema):
        return pl.scan_parquet(plain)
    return _converted(path, file.iter_batches(_BATCH_ROWS), schema, spool / "converted", limit)


def _least_size(footer: pq.FileMetaData) -> int:
    """How many bytes the values take at least once they are read: the sizes that a footer states may be made up."""
    leaves = [footer.schema.column(i) for i in range(footer.num_columns)]
    widths = [max(leaf.length or 0, _WIDTH) for leaf in leaves]
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    nested = sum(
        max(group.column(i).num_values - group.num_rows, 0) * width
        for group in groups
        for i, width in enumerate(widths)
    )
    return int(footer.num_rows * sum(widths) + nested)


def _arrow(path: Path, plain: Path, spool: Path, limit: int) -> pl.LazyFrame:
    with pa.OSFile(str(plain)) as file:
        opened = pa.ipc.open_file(file)
        batches = (opened.get_batch(i) for i in range(opened.num_record_batches))
        return _converted(path, batches, opened.schema, spool / "converted", limit)


def _arrow_stream(path: Path, plain: Path, spool: Path, limit: int) -> pl.LazyFrame:
    with pa.OSFile(str(plain)) as file, pa.ipc.open_stream(file) as opened:
        return _converted(path, opened, opened.schema, spool / "converted", limit)


def _converted(
    path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema, target: Path, limit: int
) -> pl.LazyFrame:
    """The same rows as Parquet of types that Polars reads."""
    simple = pa.schema([pa.field(field.name, _simple(field.type)) for field in schema])
    size = 0
    with pq.ParquetWriter(target, simple, compression="lz4") as writer:
        for batch in batches:
            size += batch.nbytes
            _refuse_size(path, size, limit)
            writer.write_table(pa.Table.from_batches([batch]).cast(simple))
    return pl.scan_parquet(target)


def _simple(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(dtype):
        return _simple(dtype.value_type)
    return pa.float64() if pa.types.is_decimal(dtype) else dtype


def _json(path: Path, plain: Path, limit: int) -> pl.LazyFrame:
    _refuse_size(path, plain.stat().st_size * _WIDTH, limit)
    return json_rows(path, plain.read_text(encoding="utf-8-sig"))


def _refuse_size(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise InputError(
            f"{path} holds {size:,} bytes or more where {limit:,} are allowed; if that is right, raise "
            "CRYPTO_FEATURES_FILES_LIMIT."
        )
