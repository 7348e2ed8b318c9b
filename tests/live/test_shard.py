"""Several processes share the symbols of a data folder: each symbol has one, and what they write is read as one."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from crypto_features.errors import InputError, TransientError
from crypto_features.graph.checks.lag import punctual
from crypto_features.lake import journal, live_rows, live_status
from crypto_features.lake.journal import Entry, Journal
from crypto_features.lake.live_rows import LiveRows
from crypto_features.lake.live_status import LiveStatus
from crypto_features.live.shard import WHOLE, Shard, held, shard

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SYMBOLS = [f"S{number:03}" for number in range(500)]


@pytest.mark.parametrize("parts", [1, 2, 7, 500, 600])
def test_each_symbol_has_one_process_and_they_have_alike_many(parts: int) -> None:
    found = [Shard(number, parts).of(SYMBOLS[::-1]) for number in range(1, parts + 1)]
    assert sorted(symbol for part in found for symbol in part) == SYMBOLS
    assert max(map(len, found)) - min(map(len, found)) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "a/b", "1/2/3", "1.0/2"])
def test_what_is_no_part_of_so_many_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"expected which process of how many this is, such as 2/3"):
        shard(text)


def test_a_part_has_one_process_and_all_processes_have_one_number_of_parts(tmp_path: Path) -> None:
    with held(tmp_path, shard("1/2"), tmp_path), held(tmp_path, shard("2/2"), tmp_path):
        for taken in ("1/2", "2/2", "1/1", "3/3"):
            with pytest.raises(TransientError, match="its own --shard"), held(tmp_path, shard(taken), tmp_path):
                pass
    with held(tmp_path, WHOLE, tmp_path), pytest.raises(TransientError), held(tmp_path, shard("1/2"), tmp_path):
        pass
    with held(tmp_path, shard("2/2"), tmp_path):
        pass


def test_entries_come_in_the_order_in_which_they_were_known_whoever_wrote_them(tmp_path: Path) -> None:
    writers = [Journal(tmp_path, name) for name in ("2-of-2", "", "1-of-2")]
    times = [NOON + number * 7 * timedelta(hours=1) for number in range(9)]
    entries = [Entry("BTC", NOON, time, "rest", {"open": float(number)}) for number, time in enumerate(times)]
    for number, entry in enumerate(entries):
        writers[number % 3].append([entry])
    for writer in writers:
        writer.close()
    read = [*journal.read(tmp_path)]
    assert [entry for entry, _, _ in read] == entries
    ends = {name: end for _, name, end in read}
    assert ends == {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert [*journal.read(tmp_path, ends)] == []
    assert [entry for entry, _, _ in journal.read(tmp_path, since=times[5])] == entries[2:]


def test_rows_of_each_process_are_read_and_removed_with_their_day(tmp_path: Path) -> None:
    for day in range(2):
        for name in ("1-of-2", "2-of-2"):
            rows = pl.DataFrame({"symbol": [name], "value": [float(day)]})
            LiveRows(tmp_path, NOON, name).append("v", rows, NOON + timedelta(days=day), "v1")
    found = live_rows.read(tmp_path / "v")
    assert found.select("symbol", "value").sort(pl.all()).rows() == [
        *[("1-of-2", 0.0), ("1-of-2", 1.0), ("2-of-2", 0.0), ("2-of-2", 1.0)]
    ]
    live_rows.prune(tmp_path / "v", "2024-01-02", {"2024-01-01.1-of-2"})
    assert {*live_rows.read(tmp_path / "v")[live_rows.DAY]} == {
        *("2024-01-01.1-of-2", "2024-01-02.1-of-2", "2024-01-02.2-of-2")
    }


def told(minute: int, newest: Mapping[str, int], *, stopped: bool = False) -> LiveStatus:
    times = {view: NOON + late * MINUTE for view, late in newest.items()}
    counts = dict.fromkeys(live_status.COUNTS, minute)
    return LiveStatus(NOON + minute * MINUTE, NOON + 2 * minute * MINUTE, stopped, minute, counts, times, times)


def test_together_they_are_as_late_as_the_latest(tmp_path: Path) -> None:
    assert live_status.read(tmp_path) is None
    (tmp_path / ".live").mkdir()
    live_status.write(tmp_path, told(5, {"v": 1}), "1-of-1")
    live_status.write(tmp_path, told(1, {"v": 3, "w": 2}), "1-of-2")
    live_status.write(tmp_path, told(2, {"v": 1}, stopped=True), "2-of-2")
    live_status.remove_others(tmp_path, 2)
    found = live_status.read(tmp_path)
    assert found is not None
    assert (found.began, found.at, found.stopped, found.symbols) == (NOON + MINUTE, NOON + 2 * MINUTE, False, 3)
    assert found.due == found.newest == {"v": NOON + MINUTE, "w": NOON + 2 * MINUTE}
    assert {*found.counts.values()} == {3}
    assert found.absent == 0
    live_status.place(tmp_path, "1-of-2").write_bytes(b"{")
    assert live_status.read(tmp_path) == told(2, {"v": 1}, stopped=True)


def test_a_part_that_nobody_follows_is_named_once_it_had_the_time_to_begin(tmp_path: Path) -> None:
    (tmp_path / ".live").mkdir()
    live_status.write(tmp_path, told(0, {"v": 60}), "2-of-3")
    found, limit = live_status.read(tmp_path), 2 * MINUTE
    assert found is not None
    assert found.absent == 2
    early, late = (punctual(found, "v", NOON + minutes * MINUTE, limit) for minutes in (2, 3))
    assert (early.passed, late.passed) == (True, False)
    assert "2 of the processes that share the symbols never began" in late.text
