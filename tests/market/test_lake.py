"""A table publishes whole partitions, refuses what would damage it, and says what is wrong with a file."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import polars as pl
import pyarrow.parquet as pq
import pytest
from upath import UPath

from crypto_features.errors import InputError, UnknownNameError
from crypto_features.lake.path_parts import check_symbol
from crypto_features.lake.table import Table


def rows(
    *symbols: str, start: datetime = datetime(2024, 1, 1, tzinfo=UTC), count: int = 3, price: float = 1.5
) -> pl.DataFrame:
    times = [start + timedelta(hours=i) for i in range(count)]
    frame = pl.DataFrame({"symbol": symbols}).join(pl.DataFrame({"open_time": times}), how="cross")
    return frame.with_columns(pl.col("open_time").cast(pl.Datetime("us", "UTC")), close=pl.lit(price))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(UPath(tmp_path), "daily_candles", "open_time")


def test_a_published_partition_reads_back_sorted_with_its_metadata(table: Table) -> None:
    frame = rows("ETH", "BTC")
    table.publish("2024-01", frame.reverse(), {"source": "a test"})
    assert table.read().equals(frame.sort("symbol", "open_time"))
    symbols = '["BTC", "ETH"]'
    assert table.metadata("2024-01") == {"source": "a test", "digest": table.digest("2024-01"), "symbols": symbols}
    assert table.months() == ("2024-01",)


def test_files_hold_utc_microseconds_and_plain_strings(table: Table) -> None:
    table.publish("2024-01", rows("BTC"))
    schema = pq.read_schema(str(table.path("2024-01")))
    assert str(schema.field("open_time").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("symbol").type) == "string"


def test_several_months_read_as_one_frame_sorted_by_symbol_and_time(table: Table) -> None:
    table.publish("2024-02", rows("BTC", "ETH", start=datetime(2024, 2, 1, tzinfo=UTC)))
    table.publish("2024-01", rows("BTC", "ETH"))
    frame = table.read()
    assert frame.equals(frame.sort("symbol", "open_time"))
    assert frame.height == 12
    assert table.read(["2024-02"], ["close"]).shape == (6, 1)
    assert table.scan(columns=["symbol"]).collect().height == 12


def test_months_that_were_written_with_other_columns_are_named_and_read_by_the_columns_they_share(table: Table) -> None:
    table.publish("2024-01", rows("BTC"))
    february = rows("BTC", start=datetime(2024, 2, 1, tzinfo=UTC))
    table.publish("2024-02", february.with_columns(volume=1.0))
    with pytest.raises(
        InputError, match=r"2024-01 of 'daily_candles' .* than 2024-02; .*'volume', Float64.*plan --run"
    ):
        table.read()
    shared = ["symbol", "close"]
    expected = pl.concat([rows("BTC"), february]).select(shared)
    assert table.read(columns=shared).equals(expected)
    assert table.scan(columns=shared).collect().equals(expected)


def test_the_digest_follows_content_and_ignores_when_it_was_known(table: Table) -> None:
    frame = rows("BTC").with_columns(known_at=pl.lit(datetime(2024, 2, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")))
    digests = []
    for variant in (frame, frame.with_columns(pl.col("known_at").dt.offset_by("1d")), rows("BTC", price=1.5000000001)):
        table.publish("2024-01", variant)
        digests.append(table.digest("2024-01"))
    assert digests[0] == digests[1] != digests[2]


def test_the_same_rows_make_the_same_bytes(table: Table) -> None:
    table.publish("2024-01", rows("BTC", "ETH"))
    first = table.path("2024-01").read_bytes()
    table.publish("2024-01", rows("BTC", "ETH").reverse())
    assert table.path("2024-01").read_bytes() == first


def test_a_partition_by_symbol_keeps_the_bytes_of_the_others_when_a_symbol_joins(tmp_path: Path) -> None:
    table = Table(UPath(tmp_path), "candles", "open_time", raw=True, by_symbol=True)
    table.publish("2024-01", rows("BTC", "ETH"))
    before = row_groups(table.path("2024-01"))
    table.publish("2024-01", rows("ADA", "BTC", "ETH"))
    after = row_groups(table.path("2024-01"))
    assert after[1:] == before


def row_groups(path: UPath) -> list[bytes]:
    data, groups = path.read_bytes(), []
    metadata = pq.read_metadata(str(path))
    for i in range(metadata.num_row_groups):
        columns = [metadata.row_group(i).column(j) for j in range(metadata.num_columns)]
        start = min(c.dictionary_page_offset or c.data_page_offset for c in columns)
        groups.append(data[start : start + sum(c.total_compressed_size for c in columns)])
    return groups


def test_a_write_that_fails_half_way_leaves_the_old_partition_whole(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.publish("2024-01", rows("BTC"))

    def half(*_: object, **__: object) -> None:
        assert table.read().equals(rows("BTC"))
        raise OSError("no space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", half)
    with pytest.raises(OSError, match="no space"):
        table.publish("2024-01", rows("ETH"))
    assert table.read().equals(rows("BTC"))
    assert [path.name for path in table.folder.iterdir()] == ["2024-01.parquet"]


def test_leftovers_of_a_killed_writer_are_swept_by_the_next(table: Table) -> None:
    table.publish("2024-01", rows("BTC"))
    (Path(str(table.folder)) / ".2024-01.parquet.dead.tmp").write_bytes(b"half")
    table.publish("2024-01", rows("BTC"))
    assert [path.name for path in table.folder.iterdir()] == ["2024-01.parquet"]


def test_concurrent_updates_lose_nothing(table: Table) -> None:
    def append(hour: int) -> None:
        row = rows("BTC", start=datetime(2024, 1, 2, hour, tzinfo=UTC), count=1)

        def change(old: pl.DataFrame | None) -> tuple[pl.DataFrame, Mapping[str, str]]:
            return (row if old is None else pl.concat([old, row])), {}

        assert table.update("2024-01", change)

    threads = [Thread(target=append, args=(hour,)) for hour in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert table.read()["open_time"].n_unique() == 16


def test_a_bucket_serves_as_well_as_a_folder() -> None:
    table = Table(UPath("memory://lake-test"), "daily_candles", "open_time")
    table.publish("2024-01", rows("BTC"), {"a": "b"})
    assert table.read().equals(rows("BTC"))
    assert table.metadata("2024-01")["a"] == "b"
    assert table.months() == ("2024-01",)


@pytest.mark.parametrize("keep", [0, 3, 40, -1])
def test_a_truncated_partition_is_named_with_what_to_do(table: Table, keep: int) -> None:
    table.publish("2024-01", rows("BTC"))
    path = table.path("2024-01")
    path.write_bytes(path.read_bytes()[:keep])
    for read in (table.read, table.scan, lambda: table.metadata("2024-01"), lambda: table.digest("2024-01")):
        with pytest.raises(
            InputError, match=r"2024-01 of 'daily_candles' is not a whole Parquet file .*materialize 'daily_candles'"
        ):
            read()


def test_a_partition_damaged_inside_is_named(table: Table) -> None:
    table.publish("2024-01", rows("BTC"))
    table.publish("2023-12", rows("BTC", start=datetime(2023, 12, 1, tzinfo=UTC)))
    path = table.path("2024-01")
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(len(data) - 12) + data[-8:])
    why = r"2024-01 of 'daily_candles' is not a whole Parquet file .*materialize 'daily_candles'"
    with pytest.raises(InputError, match=why):
        table.read()
    query = table.scan().select(pl.col("open_time").max())
    with pytest.raises(InputError, match=why):
        table.collect(query)


def test_a_partition_of_which_one_bit_rotted_is_named_before_a_number_is_read(table: Table) -> None:
    table.publish("2024-01", rows("BTC"))
    path = table.path("2024-01")
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(bytes(data))
    why = r"2024-01 of 'daily_candles' is not a whole Parquet file \(its bytes are not those that were written\)"
    for read in (table.read, table.scan, lambda: table.update("2024-01", lambda _: None)):
        with pytest.raises(InputError, match=why):
            read()


@pytest.mark.parametrize("fault", [pl.exceptions.ComputeError, pl.exceptions.PanicException])
def test_whatever_a_query_fails_with_the_damaged_partition_is_named(
    table: Table, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    table.publish("2024-01", rows("BTC"))

    def fail(query: pl.LazyFrame) -> pl.DataFrame:
        raise fault("deep inside")

    query = table.scan()
    monkeypatch.setattr(pl.LazyFrame, "collect", fail)
    with pytest.raises(InputError, match=r"2024-01 of 'daily_candles' is not a whole Parquet file \(deep inside\)"):
        table.collect(query)


def test_a_query_that_is_wrong_by_itself_fails_as_it_is(table: Table) -> None:
    table.publish("2024-01", rows("BTC"))
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        table.collect(table.scan().select("clsoe"))


def test_missing_tables_partitions_and_columns_are_named(table: Table) -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown table 'daily_candles'.*Materialize the asset 'daily_candles' first"
    ):
        table.read()
    table.publish("2024-01", rows("BTC"))
    with pytest.raises(UnknownNameError, match=r"'2023-12'.*available: 2024-01"):
        table.read(["2023-12"])
    with pytest.raises(UnknownNameError, match=r"'clsoe'.*did you mean 'close'"):
        table.read(columns=["clsoe"])


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (rows("BTC").drop("symbol"), "needs a column 'symbol'"),
        (rows("BTC").with_columns(pl.col("open_time").dt.replace_time_zone(None)), "expected Datetime"),
        (rows("BTC").with_columns(pl.col("open_time").dt.cast_time_unit("ms")), "expected Datetime"),
        (rows("BTC", start=datetime(2023, 12, 31, 23, tzinfo=UTC)), "row outside"),
    ],
)
def test_rows_that_do_not_belong_are_refused_and_nothing_is_damaged(
    table: Table, frame: pl.DataFrame, why: str
) -> None:
    table.publish("2024-01", rows("ETH"))
    with pytest.raises(InputError, match=why):
        table.publish("2024-01", frame)
    assert table.read().equals(rows("ETH"))


@pytest.mark.parametrize("name", ["../evil", "/etc", "a/../b", "", "A", "a//b", ".locks"])
def test_no_table_name_leaves_the_data_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="is not a table name"):
        Table(UPath(tmp_path), name)


@pytest.mark.parametrize("month", ["2024-13", "2024-1", "../2024-01", "2024-01/..", "2024-01-01", ""])
def test_no_month_leaves_the_table(table: Table, month: str) -> None:
    with pytest.raises(InputError, match="is not a month"):
        table.path(month)


@pytest.mark.parametrize("symbol", ["..", "../BTC", "BTC/ETH", "btc", "", "BTC\n", ".BTC", "B" * 33, "BTC\x00"])
def test_no_symbol_is_a_path(symbol: str) -> None:
    with pytest.raises(InputError, match="is not a symbol"):
        check_symbol(symbol)


@pytest.mark.parametrize("symbol", ["BTC", "1INCH", "1000SHIB", "BTC-USD", "A"])
def test_common_symbols_pass(symbol: str) -> None:
    assert check_symbol(symbol) == symbol
