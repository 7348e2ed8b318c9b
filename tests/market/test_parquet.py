"""Parquet files of our own and of others are read and written in one place: whole, durable, or by a clear error."""

import json
import os
import random
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from crypto_features.errors import InputError, UnreadableTableError
from crypto_features.lake import parquet
from crypto_features.lake.parquet import ParquetFile

STAMP = pl.Datetime("us", "UTC")
ROWS = pl.DataFrame(
    {
        "symbol": ["BTC", "ETH", None],
        "close": [1.5, float("nan"), None],
        "time": [datetime(2024, 1, 1, tzinfo=UTC), None, datetime(2024, 1, 2, tzinfo=UTC)],
        "day": [date(2024, 1, 1), None, date(2024, 1, 2)],
        "many": [["a"], [], None],
        "deep": [[[1.0], []], None, [[2.0]]],
        "bytes": [b"a", None, b""],
        "whole": [1, None, 3],
        "yes": [True, None, False],
        "point": [{"x": "a", "y": [1]}, {"x": None, "y": None}, {"x": "b", "y": []}],
    },
    schema_overrides={"time": STAMP},
)
ROOTS = ["disk", "memory://parquet-test"]


@pytest.fixture(params=ROOTS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    return UPath(tmp_path if request.param == "disk" else f"{request.param}/{tmp_path.name}") / "table" / "a.parquet"


def test_what_is_written_is_read_back_with_its_notes(path: UPath) -> None:
    parquet.write(path, ROWS, notes={"b": "2", "a": "1"})
    file = ParquetFile(path)
    assert parquet.collect(parquet.scan([file]), [file]).equals(ROWS, null_equal=True)
    assert file.schema == ROWS.schema
    assert file.notes() == {"a": "1", "b": "2"}
    parquet.write(path, ROWS.head(1))
    assert ParquetFile(path).notes() == {}


def test_several_files_are_one_table_also_in_a_bucket(path: UPath) -> None:
    parquet.write(path, ROWS.select("symbol", "close"))
    parquet.write(path.with_name("b.parquet"), ROWS.select("close", "symbol", "whole"))
    files = [ParquetFile(found) for found in parquet.files_at(path.parent)]
    types = {"symbol": pl.String(), "close": pl.Float64()}
    assert parquet.collect(parquet.scan(files, types), files)["symbol"].to_list() == ["BTC", "ETH", None] * 2


def test_hidden_files_and_other_kinds_are_left_out(path: UPath) -> None:
    for name in ("b.parquet", "part/c.parquet", ".b.parquet.1.tmp", ".hidden.parquet", "_unfinished.parquet"):
        parquet.write(path.parent / name, ROWS)
    (path.parent / "notes.txt").write_text("none")
    assert [file.name for file in parquet.files_at(path.parent)] == ["b.parquet", "c.parquet"]
    assert [file.name for file in parquet.files_at(path.parent / "*.parquet")] == ["b.parquet"]
    assert parquet.files_at(path.parent / "b.parquet") == [path.parent / "b.parquet"]
    assert parquet.files_at(path.parent / "nothing") == []


def test_no_other_reader_meets_large_texts_bytes_or_lists(path: UPath) -> None:
    parquet.write(path, ROWS)
    types = {field.name: str(field.type) for field in pq.read_schema(pa.BufferReader(path.read_bytes()))}
    assert types == {
        "symbol": "string",
        "close": "double",
        "time": "timestamp[us, tz=UTC]",
        "day": "date32[day]",
        "many": "list<item: string>",
        "deep": "list<item: list<item: double>>",
        "bytes": "binary",
        "whole": "int64",
        "yes": "bool",
        "point": "struct<x: string, y: list<item: int64>>",
    }
    assert parquet.arrow_of(ROWS)["symbol"].num_chunks == 1


def test_row_groups_are_those_that_are_asked_for_and_small_enough_to_skip_otherwise(path: UPath) -> None:
    def groups(frame: pl.DataFrame, sizes: list[int] | None) -> list[int]:
        parquet.write(path, frame, groups=sizes)
        found = pq.read_metadata(pa.BufferReader(path.read_bytes()))
        return [found.row_group(number).num_rows for number in range(found.num_row_groups)]

    assert groups(ROWS, [2, 1]) == [2, 1]
    assert groups(ROWS, None) == [3]
    assert groups(pl.DataFrame({"x": pl.int_range(1_500_000, eager=True)}), None) == [1_048_576, 451_424]


@pytest.mark.parametrize("keep", [0, 3, 40, -1])
def test_a_truncated_file_is_named_with_what_to_do_before_a_query_meets_it(path: UPath, keep: int) -> None:
    parquet.write(path, ROWS)
    path.write_bytes(path.read_bytes()[:keep])
    file = ParquetFile(path, "partition 2024-01 of 'own'", "Do it again.")
    why = r"^partition 2024-01 of 'own' is not a whole Parquet file \(\d+ bytes that .*a\.parquet\. Do it again\.$"
    for read in (lambda: parquet.scan([file]), lambda: file.source, lambda: file.schema, file.notes, file.check):
        with pytest.raises(UnreadableTableError, match=why):
            read()


def test_a_file_damaged_inside_is_named_by_whatever_reads_it_and_its_neighbours_are_not(path: UPath) -> None:
    parquet.write(path.with_name("0.parquet"), ROWS)
    parquet.write(path, ROWS)
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(len(content) - 12) + content[-8:])
    files = [ParquetFile(found) for found in parquet.files_at(path.parent)]
    files[0].check()
    for read in (
        lambda: files[1].schema,
        files[1].notes,
        files[1].check,
        lambda: parquet.collect(parquet.scan(files), files),
    ):
        with pytest.raises(UnreadableTableError, match=r"is not a whole Parquet file \(.+\): .*/a\.parquet\. Restore"):
            read()


@pytest.mark.proof
def test_a_flipped_bit_is_an_error_wherever_it_is(path: UPath, count: Callable[..., int]) -> None:
    parquet.write(path, ROWS, notes={"digest": "a"})
    content, draw = path.read_bytes(), random.Random(6)
    for _ in range(count(ci=500, proof=10_000)):
        place = draw.randrange(8 * len(content))
        path.write_bytes(flipped(content, place))
        file = ParquetFile(path)
        with pytest.raises(UnreadableTableError, match=r"a\.parquet"):
            parquet.collect(parquet.scan([file]), [file])
        try:
            notes = file.notes()
        except UnreadableTableError:
            continue
        assert notes == {"digest": "a"}, place


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def test_a_file_that_nobody_sealed_is_read_as_it_is(tmp_path: Path) -> None:
    path = UPath(tmp_path / "a.parquet")
    ROWS.select("close").write_parquet(str(path))
    file = ParquetFile(path)
    assert parquet.collect(parquet.scan([file]), [file]).height == ROWS.height


def test_a_query_that_is_wrong_by_itself_fails_as_it_is(path: UPath) -> None:
    parquet.write(path, ROWS)
    file = ParquetFile(path)
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        parquet.collect(parquet.scan([file]).select("clsoe"), [file])


def test_an_unreadable_table_is_an_error_of_the_input_and_of_the_disk() -> None:
    error = UnreadableTableError("a.parquet is not a whole Parquet file")
    assert isinstance(error, InputError)
    assert isinstance(error, OSError)
    assert str(error) == "a.parquet is not a whole Parquet file"


def test_a_name_with_the_signs_of_a_glob_is_one_file(tmp_path: Path) -> None:
    path = UPath(tmp_path) / "a[1]*.parquet"
    parquet.write(path, ROWS)
    parquet.write(path.with_name("a1.parquet"), ROWS.clear())
    assert parquet.collect(parquet.scan([ParquetFile(path)]), []).height == ROWS.height


def test_the_rows_are_on_the_disk_before_they_take_the_place_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = UPath(tmp_path / "own" / "a.parquet"), list[tuple[bool, bool]]()
    sync = os.fsync

    def seen(descriptor: int) -> None:
        synced.append((Path(f"/proc/self/fd/{descriptor}").resolve().is_dir(), path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    parquet.write(path, ROWS)
    assert synced[0] == (True, False), "the folder above the new one"
    assert synced[1:] == [(False, False), (True, True)], "first the file beside its place, then its folder"


def test_a_bucket_object_that_is_replaced_while_it_is_read_is_read_in_one_version(tmp_path: Path) -> None:
    path = UPath(f"memory://parquet-test/{tmp_path.name}/a.parquet")
    parquet.write(path, ROWS)
    file = ParquetFile(path)
    assert file.schema == ROWS.schema
    parquet.write(path, pl.DataFrame({"other": [1]}))
    assert parquet.collect(parquet.scan([file]), [file]).equals(ROWS, null_equal=True)


def test_notes_are_json_under_one_key_as_version_0_1_wrote_them(tmp_path: Path) -> None:
    path = UPath(tmp_path / "a.parquet")
    parquet.write(path, ROWS, notes={"b": "2", "a": "1"})
    assert pq.read_metadata(str(path)).metadata[b"crypto_features"] == b'{"a": "1", "b": "2"}'
    pq.write_table(pa.table({"x": [1]}).replace_schema_metadata({"crypto_features": json.dumps({"c": "3"})}), str(path))
    assert ParquetFile(path).notes() == {"c": "3"}
