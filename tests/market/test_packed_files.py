"""A packed file is read as what it holds, within a limit, or refused by name."""

import decimal
import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from crypto_features.errors import InputError
from tests.market.vendors import candles_in, frame, iso, opens, put, text, times_in

TIMES = opens(50)
PLAIN = text(TIMES).encode()
MEGABYTE = 1 << 20


def zipped(members: Mapping[str, bytes] | None = None, *, method: int = zipfile.ZIP_DEFLATED, **more: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as file:
        for name, content in {**(members or {}), **more}.items():
            file.writestr(name.replace("__", "."), content)
    return packed.getvalue()


def zstd(content: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("BTC__csv__gz", gzip.compress(PLAIN)),
        ("BTC__gz", gzip.compress(PLAIN)),
        ("BTC__zip", zipped(anything__csv=PLAIN)),
        ("BTC__zip", zipped(method=zipfile.ZIP_STORED, BTC__csv=PLAIN, CHECKSUM=b"x")),
        ("BTC__csv__zst", zstd(PLAIN)),
        ("BTC__csv", gzip.compress(PLAIN)),
    ],
)
def test_a_packed_text_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    assert times_in(put(tmp_path / "f", **{name: content})) == TIMES


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("BTC__csv__gz", gzip.compress(PLAIN)[:-9], "cannot be unpacked .*Copy it again"),
        ("BTC__csv__zst", zstd(PLAIN)[:-9], "cannot be unpacked .*Copy it again"),
        ("BTC__zip", zipped(a__csv=PLAIN)[:-30], "cannot be unpacked .*Copy it again"),
        ("BTC__zip", zipped(a__csv=PLAIN, b__csv=PLAIN), "holds 2 files of candles, and one is expected"),
        ("BTC__zip", zipped(readme=b""), "holds 0 files of candles"),
        (
            "BTC__zip",
            zipped(method=zipfile.ZIP_LZMA, a__csv=PLAIN),
            "packed by a method that cannot be read within a limit",
        ),
        (
            "BTC__zip",
            zipped(method=zipfile.ZIP_BZIP2, a__csv=PLAIN),
            "packed by a method that cannot be read within a limit",
        ),
        ("BTC__json", b"[[1,2", "is not a whole file of candles"),
        ("BTC__json", b"[]", "holds no candle"),
        ("BTC__feather", b"ARROW1\0\0", "is not a whole file of candles"),
    ],
)
def test_what_is_not_whole_or_not_one_file_is_refused(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why):
        candles_in(put(tmp_path / "f", **{name: content}))


@pytest.mark.parametrize("pack", [gzip.compress, zstd, lambda content: zipped(BTC__csv=content)])
def test_no_more_is_unpacked_than_the_limit(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    folder = put(tmp_path / "f", BTC__zip=pack(PLAIN + b"\n" * (24 * MEGABYTE)))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"unpacks to more than 2,097,152 bytes.*FILES_LIMIT"):
        candles_in(folder, limit=2 * MEGABYTE)
    assert tracemalloc.get_traced_memory()[1] < 12 * MEGABYTE
    tracemalloc.stop()


def test_a_parquet_file_of_too_many_rows_is_refused_by_its_footer(tmp_path: Path) -> None:
    pl.DataFrame({"time": pl.repeat(0, 5_000_000, eager=True)}).write_parquet(tmp_path / "BTC.parquet")
    with pytest.raises(InputError, match=r"holds 40,000,000 bytes or more where 8,388,608 are allowed"):
        candles_in(tmp_path, limit=8 * MEGABYTE)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("time", [list(range(1_000_000))]),
        pl.DataFrame({f"field {i}": [0] * 20_000 for i in range(60)}).to_struct("time"),
    ],
    ids=["a list in one row", "many fields in one column"],
)
def test_a_parquet_file_is_refused_by_all_the_values_that_its_footer_counts(tmp_path: Path, column: pl.Series) -> None:
    column.to_frame().write_parquet(tmp_path / "BTC.parquet")
    with pytest.raises(InputError, match=r"holds .* bytes or more where 2,097,152 are allowed.*FILES_LIMIT"):
        candles_in(tmp_path, limit=2 * MEGABYTE)


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_decimals_and_encoded_texts_are_numbers_and_texts(tmp_path: Path, suffix: str) -> None:
    numbers = frame(TIMES).drop("time")
    values = {
        name: pa.array([decimal.Decimal(int(value)) for value in numbers[name]], pa.decimal256(50, 8))
        for name in numbers.columns
    }
    table = pa.table({"time": pa.array([iso(time) for time in TIMES]).dictionary_encode(), **values})
    path = tmp_path / f"BTC.{suffix}"
    pq.write_table(table, path) if suffix == "parquet" else feather.write_feather(table, path)
    assert candles_in(tmp_path).select("open_time", "close").rows() == [*zip(TIMES, numbers["close"], strict=True)]


@pytest.mark.parametrize("member", ["ETHUSDT-1h-2024-01__csv", "BTC_USDT_USDT-1h-futures__csv"])
def test_a_zip_of_another_market_than_its_name_says_is_refused(tmp_path: Path, member: str) -> None:
    with pytest.raises(InputError, match="is not a file of BTC; rename it"):
        candles_in(put(tmp_path / "f", BTC__zip=zipped({member: PLAIN})))
    assert times_in(put(tmp_path / "g", BTC__zip=zipped({"BTCUSDT-1h-2024-01__csv": PLAIN}))) == TIMES
