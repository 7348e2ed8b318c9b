"""What the journal acknowledged is read back, whatever cut it off afterwards."""

from datetime import timedelta
from pathlib import Path

import pytest

from crypto_features.errors import UnreadableTableError
from crypto_features.lake.journal import Entry, Journal, frame, read
from tests.market.market import HOUR, START

VALUES = {"open": 0.1, "high": 0.30000000000000004, "low": 1e-9, "close": 0.2, "volume": 1e300, "trades": 7}


def entry(number: int, values: dict[str, float] | None = None, how: str = "flag") -> Entry:
    opened = START + number * HOUR
    return Entry("BTC", opened, opened + HOUR + timedelta(milliseconds=7), how, VALUES if values is None else values)


def entries(folder: Path) -> list[Entry]:
    return [found for found, _, _ in read(folder)]


def test_entries_come_back_to_the_bit_in_their_order_over_days_and_restarts(tmp_path: Path) -> None:
    told = [entry(number) for number in (0, 1, 30, 31)]
    for part in (told[:1], told[1:2], told[2:3], told[3:]):
        journal = Journal(tmp_path)
        journal.append(part)
        journal.close()
    assert entries(tmp_path) == told
    assert len([*tmp_path.iterdir()]) == 2


def test_wherever_a_kill_cuts_the_last_line_off_what_was_before_is_there_and_writing_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([entry(0)])
    (path,) = tmp_path.iterdir()
    first = path.read_bytes()
    journal.append([entry(1)])
    journal.close()
    both = path.read_bytes()
    for length in range(len(first), len(both)):
        path.write_bytes(both[:length])
        assert entries(tmp_path) == [entry(0)]
        again = Journal(tmp_path)
        again.append([entry(2)])
        again.close()
        assert entries(tmp_path) == [entry(0), entry(2)]


def test_a_flipped_bit_before_the_end_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([entry(0), entry(1)])
    journal.close()
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[30] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableTableError, match=path.name):
        entries(tmp_path)
    with pytest.raises(UnreadableTableError, match=path.name):
        Journal(tmp_path).append([entry(2)])


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([entry(0), entry(1)])
    ends = {name: end for _, name, end in read(tmp_path)}
    assert [*read(tmp_path, ends)] == []
    journal.append([entry(2)])
    journal.close()
    assert [found for found, _, _ in read(tmp_path, ends)] == [entry(2)]


def test_a_frame_holds_the_candles_and_not_what_was_only_confirmed(tmp_path: Path) -> None:
    rows = frame([entry(0), entry(0, {}, "agreed")])
    assert rows.height == 1
    assert rows.row(0, named=True) == {
        "symbol": "BTC",
        "open_time": START,
        **VALUES,
        "completeness": 1.0,
        "quote_volume": None,
        "taker_buy_volume": None,
        "known_at": START + HOUR + timedelta(milliseconds=7),
    }
