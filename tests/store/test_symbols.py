"""Which symbols a table has is read off its notes; rows are read only where there are none."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from feast import FileSource
from upath import UPath

from crypto_features.errors import UnreadableTableError
from crypto_features.lake.table import Table
from crypto_features.store.offline import source

MONTHS = {"2024-01": ["BTC"], "2024-02": ["ETH", "BTC"], "2024-03": ["SOL"]}


@pytest.fixture
def table(tmp_path: Path) -> Table:
    own = Table(UPath(tmp_path), "prices")
    for number, (month, symbols) in enumerate(MONTHS.items(), 1):
        time = datetime(2024, number, 2, tzinfo=UTC)
        rows = pl.DataFrame({"symbol": symbols * 200, "event_timestamp": time, "price": 1.0})
        own.publish(month, rows)
    return own


def symbols(table: Table) -> list[set[str]]:
    feast = FileSource(name="prices", path=str(table.folder), timestamp_field="event_timestamp")
    return list(source.symbols(feast, None))


def damage_rows(path: UPath) -> None:
    """The footer with the notes stays as it is."""
    content = bytearray(path.read_bytes())
    content[4:100] = b"\xff" * 96
    path.write_bytes(bytes(content))


def test_a_partition_notes_its_symbols_once_each_and_a_raw_one_does_not(table: Table) -> None:
    assert {month: json.loads(table.metadata(month)["symbols"]) for month in MONTHS} == {
        "2024-01": ["BTC"],
        "2024-02": ["BTC", "ETH"],
        "2024-03": ["SOL"],
    }
    raw = Table(table.root, "candles", "open_time", raw=True)
    raw.publish("2024-01", table.read(["2024-01"]).rename({"event_timestamp": "open_time"}))
    assert raw.metadata("2024-01").keys() == {"digest"}


def test_no_row_is_read_of_a_partition_that_notes_its_symbols(table: Table) -> None:
    for month in MONTHS:
        damage_rows(table.path(month))
        with pytest.raises(UnreadableTableError):
            table.read([month])
    assert symbols(table) == [{"SOL"}, {"BTC", "ETH"}, {"BTC"}], "the newest first"


def test_a_partition_of_an_older_version_or_another_project_is_asked_for_its_rows(table: Table) -> None:
    for month in ("2024-01", "2024-02"):
        path = str(table.path(month))
        pl.read_parquet(path).write_parquet(path)
    pl.DataFrame({"symbol": [None, "ADA"]}).write_parquet(str(table.folder / "2024-04.parquet"))
    pl.DataFrame({"venue": ["a"]}).write_parquet(str(table.folder / "2024-05.parquet"))
    assert symbols(table) == [{"ADA"}, {"SOL"}, {"BTC", "ETH"}, {"BTC"}]


def test_whoever_has_seen_enough_meets_no_older_partition(table: Table) -> None:
    table.path("2024-01").write_bytes(b"half")
    feast = FileSource(name="prices", path=str(table.folder), timestamp_field="event_timestamp")
    found = source.symbols(feast, None)
    assert (next(found), next(found)) == ({"SOL"}, {"BTC", "ETH"})
    with pytest.raises(UnreadableTableError, match=r"2024-01\.parquet"):
        next(found)


def test_a_table_without_a_file_has_no_symbol(tmp_path: Path) -> None:
    assert symbols(Table(UPath(tmp_path), "prices")) == []
