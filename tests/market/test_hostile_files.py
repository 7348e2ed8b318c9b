"""A file that makes a library abort, take all memory or never end, costs the process that looks at it, and no other."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crypto_features.errors import InputError
from crypto_features.lake.path_parts import check_symbol
from crypto_features.settings import Settings
from crypto_features.sources.apart import apart
from crypto_features.sources.listings import parse_listings
from crypto_features.sources.vendor.binary import convert
from crypto_features.sources.vendor.markets import symbol_of

ENOUGH = 1 << 30


def hoard() -> None:
    """Take memory until there is no more."""
    held = []
    while True:
        held.append(bytearray(50_000_000))


def refuse(why: str) -> None:
    """Fail as a reader does."""
    raise InputError(why)


@pytest.mark.parametrize(
    ("work", "arguments", "seconds", "why"),
    [
        (os.abort, (), 60, "ended by SIGABRT"),
        (os._exit, (3,), 60, "ended by 3"),
        (hoard, (), 60, "more than .* bytes of memory"),
        (time.sleep, (60,), 1, "longer than 1 seconds"),
        (refuse, ("it is no candle",), 60, "it is no candle"),
    ],
)
def test_what_ends_the_process_that_looks_is_an_error_of_the_file(
    work: Callable[..., None], arguments: tuple[Any, ...], seconds: float, why: str
) -> None:
    with pytest.raises(InputError, match=why):
        apart(work, *arguments, memory=ENOUGH, seconds=seconds)


def test_the_rows_are_the_same_and_bounded(tmp_path: Path) -> None:
    candles = pl.DataFrame({"open_time": [1, 2], "close": [1.5, 2.5]})
    candles.write_parquet(tmp_path / "BTC.parquet")
    apart(convert, tmp_path / "BTC.parquet", tmp_path / "BTC.parquet", tmp_path / "plain", 1000)
    assert pl.read_parquet(tmp_path / "plain").equals(candles)
    with pytest.raises(InputError, match="CRYPTO_FEATURES_FILES_LIMIT"):
        apart(convert, tmp_path / "BTC.parquet", tmp_path / "BTC.parquet", tmp_path / "plain", 10)


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    pl.DataFrame({"open_time": [1], "close": [1.5]}).write_parquet(tmp_path / "BTC.parquet")
    script = tmp_path / "script.py"
    script.write_text(
        f"""print("begun")
from pathlib import Path
from crypto_features.sources.apart import apart
from crypto_features.sources.vendor.binary import convert
folder = Path({str(tmp_path)!r})
apart(convert, folder / "BTC.parquet", folder / "BTC.parquet", folder / "plain", 1000)
"""
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "begun\n"), done.stderr
    assert (tmp_path / "plain").is_file()


def test_a_page_that_unpacks_to_more_than_there_is_ends_in_an_error_of_the_file(tmp_path: Path) -> None:
    bomb = tmp_path / "BTC.parquet"
    schema = pa.schema([("close", pa.large_string())])
    with pq.ParquetWriter(bomb, schema, compression="zstd", use_dictionary=False, write_statistics=False) as writer:
        writer.write_table(pa.table({"close": pa.array(["0" * 600_000_000], pa.large_string())}, schema))
    assert bomb.stat().st_size < 5_000_000
    with pytest.raises(InputError, match=r"memory|ended by|not a whole file|where 4,294,967,296"):
        apart(convert, bomb, bomb, tmp_path / "plain", 4 << 30, memory=ENOUGH // 2)


@pytest.mark.parametrize("name", ["b\u0131t", "\xdfa", "\ufb01l", "b\u0131t-USDT"])
def test_a_name_whose_capitals_are_another_assets_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_symbol(name.upper())  # what it would have become.
    with pytest.raises(InputError, match="is not a symbol"):
        symbol_of(name)
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", f"btc,{name}")
    assert Settings.load().symbols == ("BTC", name)
    with pytest.raises(InputError, match="is not a symbol"):
        parse_listings(f"{name}=BTC/USDT")
