"""What is published live is kept to the bit, also by a process that was killed while it wrote."""

import math
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from crypto_features.errors import UnreadableTableError
from crypto_features.lake.live_rows import AT, DAY, SINCE, VERSION, LiveRows, prune, read
from tests.market.market import HOUR, START

DAYS = timedelta(days=1)


def rows(*values: float | None) -> pl.DataFrame:
    time = pl.Series([START + (i + 1) * HOUR for i in range(len(values))], dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"symbol": "BTC", "event_timestamp": time, "x": pl.Series([*values], dtype=pl.Float64)})


def test_every_bit_is_kept_in_the_order_of_publication(tmp_path: Path) -> None:
    kept = LiveRows(tmp_path, START)
    kept.append("moves", rows(0.1, -0.0, math.nan, None), START + HOUR, "v1")
    kept.append("other", rows(7.0), START + HOUR, "v1")
    kept.append("moves", rows(0.2), START + DAYS, "v2")
    found = read(tmp_path / "moves")
    assert [repr(value) for value in found["x"]] == ["0.1", "-0.0", "nan", "None", "0.2"]
    assert found[AT].to_list() == [START + HOUR] * 4 + [START + DAYS]
    assert found[VERSION].to_list() == ["v1"] * 4 + ["v2"]
    assert found[DAY].to_list() == ["2024-01-01"] * 4 + ["2024-01-02"]
    assert set(found[SINCE]) == {START}
    assert read(tmp_path / "nothing").is_empty()


def test_what_a_kill_cut_off_is_left_out_wherever_it_cut(tmp_path: Path) -> None:
    LiveRows(tmp_path, START).append("moves", rows(1.0), START, "v")
    (path,) = (tmp_path / "moves").iterdir()
    whole = len(path.read_bytes())
    LiveRows(tmp_path, START).append("moves", rows(2.0), START, "v")
    content = path.read_bytes()
    for cut in range(whole, len(content)):
        path.write_bytes(content[:cut])
        assert read(tmp_path / "moves")["x"].to_list() == [1.0], cut
    path.write_bytes(content[: whole + 30])
    LiveRows(tmp_path, START).append("moves", rows(3.0), START, "v")
    assert read(tmp_path / "moves")["x"].to_list() == [1.0, 3.0]


def test_a_bit_that_rots_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    LiveRows(tmp_path, START).append("moves", rows(1.0), START, "v")
    (path,) = (tmp_path / "moves").iterdir()
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableTableError, match=str(path)):
        read(tmp_path / "moves")


def test_days_before_one_are_removed_but_those_that_are_kept(tmp_path: Path) -> None:
    kept = LiveRows(tmp_path, START)
    for day in range(4):
        kept.append("moves", rows(1.0), START + day * DAYS, "v")
    prune(tmp_path / "moves", "2024-01-03", {"2024-01-01"})
    assert sorted({*read(tmp_path / "moves")[DAY]}) == ["2024-01-01", "2024-01-03", "2024-01-04"]
