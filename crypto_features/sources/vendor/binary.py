"""Parquet and Arrow files of unknown origin, written anew in a plain form; run where a library may abort."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from crypto_features.errors import InputError

_PARQUET, _STREAM = b"PAR1", b"\xff\xff\xff\xff"
BINARY = (_PARQUET, b"ARROW1", b"FEA1", _STREAM)
"""How such files begin."""
WIDTH = 8
"""Bytes that a value takes at least."""
_BATCH_ROWS = 100_000


def convert(path: Path, plain: Path, target: Path, limit: int) -> None:
    """Write the same rows as Parquet of types that Polars reads.

    Args:
        path: The file, for an error to name.
        plain: The file without the archive that it came in.
        target: Where to write.
        limit: How many bytes the rows may take.

    Raises:
        InputError: if the file is not whole or too large.
    """
    with plain.open("rb") as file:
        head = file.read(len(_STREAM))
    read = {_PARQUET: _parquet, _STREAM: _arrow_stream}.get(head, _arrow)
    try:
        read(path, plain, target, limit)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise not_whole(path, error) from None


def not_whole(path: Path, error: BaseException) -> InputError:
    """The error of a file that a library cannot read."""
    return InputError(
        f"{path} is not a whole file of candles ({str(error).splitlines()[0]}). Copy it again from its origin."
    )


def _parquet(path: Path, plain: Path, target: Path, limit: int) -> None:
    file = pq.ParquetFile(plain)
    refuse_size(path, _least_size(file.metadata), limit)
    wide = any(pa.types.is_decimal256(field.type) for field in file.schema_arrow)
    schema = _simple_schema(file.schema_arrow) if wide else file.schema_arrow
    _write(path, file.iter_batches(_BATCH_ROWS), schema, target, limit)


def _least_size(footer: pq.FileMetaData) -> int:
    """How many bytes the values take at least once they are read: the sizes that a footer states may be made up."""
    leaves = [footer.schema.column(i) for i in range(footer.num_columns)]
    widths = [max(leaf.length or 0, WIDTH) for leaf in leaves]
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    nested = sum(
        max(group.column(i).num_values - group.num_rows, 0) * width
        for group in groups
        for i, width in enumerate(widths)
    )
    return int(footer.num_rows * sum(widths) + nested)


def _arrow(path: Path, plain: Path, target: Path, limit: int) -> None:
    with pa.OSFile(str(plain)) as file:
        opened = pa.ipc.open_file(file)
        batches = (opened.get_batch(i) for i in range(opened.num_record_batches))
        _write(path, batches, _simple_schema(opened.schema), target, limit)


def _arrow_stream(path: Path, plain: Path, target: Path, limit: int) -> None:
    with pa.OSFile(str(plain)) as file, pa.ipc.open_stream(file) as opened:
        _write(path, opened, _simple_schema(opened.schema), target, limit)


def _write(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema, target: Path, limit: int) -> None:
    size = 0
    with pq.ParquetWriter(target, schema, compression="lz4", use_dictionary=False) as writer:  # it is read once.
        for batch in batches:
            size += batch.nbytes
            refuse_size(path, size, limit)
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))


def _simple_schema(schema: pa.Schema) -> pa.Schema:
    """Types that Polars reads."""
    return pa.schema([pa.field(field.name, _simple(field.type)) for field in schema])


def _simple(dtype: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(dtype):
        return _simple(dtype.value_type)
    return pa.float64() if pa.types.is_decimal(dtype) else dtype


def refuse_size(path: Path, size: int, limit: int) -> None:
    """Refuse a file that holds more than is allowed.

    Raises:
        InputError: if it does, naming the setting.
    """
    if size > limit:
        raise InputError(
            f"{path} holds {size:,} bytes or more where {limit:,} are allowed; if that is right, raise "
            "CRYPTO_FEATURES_FILES_LIMIT."
        )
