"""Whenever a writer is killed, what was published stays whole, and the next run repairs the rest."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from crypto_features.lake.candles import current
from tests.market.market import START
from tests.market.writer import SYMBOLS, offered, tables, take

ROOT = Path(__file__).parents[2]
VERSION = ["symbol", "open_time", "open", "high", "low", "close", "volume"]


def start(root: Path, first: int, rounds: int, *symbols: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.market.writer", str(root), str(first), str(rounds), *symbols]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def good(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(pl.col("high") > 1).sort("symbol", "open_time")


def check_nothing_lost(root: Path, finished: pl.DataFrame, before: pl.DataFrame) -> None:
    """Every file is whole; every version that was stored, and every candle of a finished round, is there once."""
    for table in tables(root):
        for month in table.months():
            frame = table.read([month])
            assert frame.height
            assert table.metadata(month)["digest"] == table.digest(month)
    raw = tables(root)[0].read()
    assert raw.select("symbol", "open_time", "known_at").is_unique().all()
    assert before.join(raw, on=before.columns, how="anti").is_empty()
    assert good(finished).join(raw, on=VERSION, how="anti").is_empty()


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_killed_run_loses_nothing_and_the_next_one_repairs(tmp_path: Path, count: Callable[..., int]) -> None:
    rng = random.Random(20240101)
    take(tmp_path, offered(0), 0)
    round_, interrupted = 1, 0
    for _ in range(count(ci=5, proof=110)):
        before = tables(tmp_path)[0].read()
        writer = start(tmp_path, round_, 0)
        assert writer.stdout is not None
        assert writer.stdout.readline().startswith("started")
        time.sleep(rng.uniform(0, 0.4))
        writer.send_signal(signal.SIGKILL)
        said = [f"started {round_}\n", *writer.stdout]
        writer.wait()
        writer.stdout.close()
        finished = [int(line.split()[1]) for line in said if line.startswith("finished")]
        interrupted += said[-1].startswith("started")
        last = finished[-1] if finished else round_ - 1
        check_nothing_lost(tmp_path, offered(last), before)
        round_ = last + 2  # after the round that was cut
        take(tmp_path, offered(round_), round_)
        check_nothing_lost(tmp_path, offered(round_), before)
        now = current(tables(tmp_path)[0].read()).select(VERSION)
        assert good(offered(round_)).join(now, on=VERSION, how="anti").is_empty()
        for table in tables(tmp_path):
            assert {path.suffix for path in table.folder.iterdir()} == {".parquet"}
        round_ += 1
    assert interrupted > 0


def test_writers_of_one_partition_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [start(tmp_path, 1, 4, "BTC"), start(tmp_path, 1, 4, "ETH"), start(tmp_path, 1, 4, *SYMBOLS)]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    raw = tables(tmp_path)[0].read()
    for round_ in (1, 2, 3, 4):
        assert good(offered(round_)).join(raw, on=VERSION, how="anti").is_empty()
    assert raw.select("symbol", "open_time", "known_at").is_unique().all()
    newest = raw.filter(pl.col("open_time") == START).group_by("symbol").len()
    assert newest["symbol"].sort().to_list() == list(SYMBOLS)
