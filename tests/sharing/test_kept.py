"""The months of a version: kept when somebody reads it, and read in place of those that were computed otherwise."""

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.lake.kept import keep
from crypto_features.lake.pins import announce_pin, is_pinned, pin, release, set_pin
from crypto_features.lake.table import Table
from crypto_features.store.offline.source import of_version
from crypto_features.versions.fingerprint import combined
from crypto_features.versions.provenance import FINGERPRINTS

OLD, NEW = {"rsi": "a"}, {"rsi": "b"}


def rows(value: float) -> pl.DataFrame:
    time = pl.Series([datetime(2024, 1, 2, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"symbol": ["BTC"], "event_timestamp": time, "rsi": [value]})


def publish(table: Table, value: float, fingerprints: dict[str, str], *, pinned: bool = False) -> None:
    keep(table, "2024-01", fingerprints, pinned=pinned)
    table.publish("2024-01", rows(value), {FINGERPRINTS: json.dumps(fingerprints)})


@pytest.fixture(params=["file", "memory"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Table:
    root = UPath(tmp_path) if request.param == "file" else UPath(f"memory://kept{tmp_path.name}")
    return Table(root, "price_features")


def test_a_version_that_a_project_reads_is_kept_to_the_byte(table: Table) -> None:
    publish(table, 1.0, OLD)
    set_pin(table.root, "my_desk", table.name, combined(OLD))
    before = table.path("2024-01").read_bytes()
    publish(table, 2.0, NEW)
    publish(table, 3.0, NEW)
    old = Table(table.root, table.name, version=combined(OLD))
    assert old.path("2024-01").read_bytes() == before
    assert old.read()["rsi"].to_list() == [1.0]
    assert table.read()["rsi"].to_list() == [3.0]
    assert Table(table.root, table.name, version=combined(NEW)).read()["rsi"].to_list() == [3.0]


@pytest.mark.parametrize("reader", ["nobody", "another version", "released"])
def test_a_version_that_nobody_reads_is_not_kept(table: Table, reader: str) -> None:
    publish(table, 1.0, OLD)
    if reader != "nobody":
        set_pin(table.root, "my_desk", table.name, combined(NEW if reader == "another version" else OLD))
    if reader == "released":
        release(table.root, "my_desk", table.name)
    publish(table, 2.0, NEW)
    assert not table.kept(combined(OLD)).exists()
    assert Table(table.root, table.name, version=combined(OLD)).months() == ()


def test_a_correction_of_the_same_version_reaches_who_reads_it(table: Table) -> None:
    publish(table, 1.0, OLD)
    set_pin(table.root, "my_desk", table.name, combined(OLD))
    publish(table, 1.5, OLD)
    assert Table(table.root, table.name, version=combined(OLD)).read()["rsi"].to_list() == [1.5]


def test_a_version_that_is_computed_again_is_read_where_it_is_published(table: Table) -> None:
    publish(table, 1.0, OLD)
    set_pin(table.root, "my_desk", table.name, combined(OLD))
    publish(table, 2.0, NEW)
    publish(table, 1.5, OLD)
    old = Table(table.root, table.name, version=combined(OLD))
    assert old.read()["rsi"].to_list() == [1.5]
    read = [pl.read_parquet(BytesIO(file.path.read_bytes())) for file in of_version(table.folder, combined(OLD))]
    assert [frame["rsi"].to_list() for frame in read] == [[1.5]]


def test_a_version_that_the_project_itself_pins_is_kept(table: Table) -> None:
    publish(table, 1.0, OLD)
    publish(table, 2.0, NEW, pinned=True)
    assert Table(table.root, table.name, version=combined(OLD)).read()["rsi"].to_list() == [1.0]


def test_nothing_is_written_into_a_version(table: Table) -> None:
    publish(table, 1.0, OLD)
    with pytest.raises(InputError, match="a version of 'price_features' is only read"):
        Table(table.root, table.name, version=combined(OLD)).publish("2024-01", rows(2.0))


def test_each_project_has_a_pin_of_its_own(table: Table) -> None:
    set_pin(table.root, "one", table.name, "a1")
    set_pin(table.root, "two", table.name, "b2")
    assert (pin(table.root, "one", table.name), pin(table.root, "three", table.name)) == ("a1", "")
    release(table.root, "one", table.name)
    assert [is_pinned(table.root, table.name, version) for version in ("a1", "b2")] == [False, True]


def test_an_apply_that_was_killed_on_the_way_to_a_newer_version_keeps_both(table: Table) -> None:
    set_pin(table.root, "my_desk", table.name, "a1")
    announce_pin(table.root, "my_desk", table.name, "b2")
    assert pin(table.root, "my_desk", table.name) == "a1"
    assert [is_pinned(table.root, table.name, version) for version in ("a1", "b2", "c3")] == [True, True, False]
    set_pin(table.root, "my_desk", table.name, "b2")
    assert [is_pinned(table.root, table.name, version) for version in ("a1", "b2", "c3")] == [False, True, False]


def test_a_first_apply_that_was_killed_keeps_what_it_was_about_to_read(table: Table) -> None:
    announce_pin(table.root, "my_desk", table.name, "a1")
    assert pin(table.root, "my_desk", table.name) == ""
    assert is_pinned(table.root, table.name, "a1")
