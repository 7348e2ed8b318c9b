"""Real candles for benchmarks: `candles_1h/<SYMBOL>.parquet` in the folder that CRYPTO_FEATURES_REAL_DATA names."""

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl

HOUR = timedelta(hours=1)


def read(folder: Path) -> pl.DataFrame:
    """The candles of every file."""
    files = sorted((folder / "candles_1h").glob("*.parquet"))
    frames = [pl.read_parquet(file).with_columns(symbol=pl.lit(file.stem)) for file in files]
    return pl.concat(frames).with_columns(pl.col("open_time").cast(pl.Datetime("us", "UTC")))


def run(main: Callable[[Path], None]) -> None:
    """Run a benchmark with the folder that the first argument or the environment names; without one, say so."""
    named = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CRYPTO_FEATURES_REAL_DATA")
    if named:
        main(Path(named))
    else:
        print("Left out: it needs real candles; name their folder, or set CRYPTO_FEATURES_REAL_DATA.")
