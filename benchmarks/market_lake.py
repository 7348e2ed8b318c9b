"""Candle files into the lake: rows a second, CPU, memory, and what a run with nothing new costs.

`python -m benchmarks.market_lake`. Each measurement is a process of its own.
"""

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import polars as pl
from upath import UPath

from crypto_features.ingest.ingest import ingest
from crypto_features.lake.table import Table
from crypto_features.sources.files import FilesSource
from crypto_features.tables.months import months_between

SYMBOLS = ("ADA", "AVAX", "BTC", "DOGE", "ETH", "SOL", "TRX", "XRP")
MINUTE, START = timedelta(minutes=1), datetime(2023, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def write(folder: Path, suffix: str, months: int, symbols: Sequence[str]) -> None:
    """Minute candles of a random walk, one file a symbol."""
    rng = np.random.default_rng(7)
    end = START + timedelta(days=30.44 * months)
    times = pl.datetime_range(START, end, MINUTE, closed="left", time_unit="us", time_zone="UTC", eager=True)
    for symbol in symbols:
        close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 0.0005, len(times)))), 2)
        opened = np.concatenate([[100.0], close[:-1]])
        frame = pl.DataFrame(
            {
                "open_time": times,
                "open": opened,
                "high": np.round(np.maximum(opened, close) * 1.001, 2),
                "low": np.round(np.minimum(opened, close) * 0.999, 2),
                "close": close,
                "volume": np.round(rng.lognormal(3, 1, len(times)), 3),
            }
        )
        if suffix == "parquet":
            frame.write_parquet(folder / f"{symbol}.parquet")
        else:
            frame.write_csv(folder / f"{symbol}.csv", datetime_format="%Y-%m-%d %H:%M:%S")


def measure(folder: Path, root: Path) -> None:
    """One ingestion: rows, seconds, CPU seconds and peak memory, as a line for the table."""
    source = FilesSource(folder, MINUTE, cache=UPath(root) / ".sources")
    table, quarantine = (Table(UPath(root), name, "open_time") for name in ("candles", "quarantine"))
    import_module("dataframely")  # imports are not counted.
    began, cpu = perf_counter(), process_time()
    months = months_between(source.start(()), source.end())
    report = ingest(source, table, quarantine, months, source.symbols(), interval=MINUTE, now=NOW)
    seconds, used = perf_counter() - began, process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = f"{report.rows / seconds:,.0f}" if report.rows else "-"
    print(f"{report.rows:,} | {len(months)} | {seconds:.2f} | {used:.2f} | {rate} | {peak:,.0f} |")


def main() -> None:
    print("| input | candles | months | s | CPU s | candles a second | peak MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, suffix, months, symbols in (
        ("Parquet, 8 symbols, 1 year of minutes", "parquet", 12, SYMBOLS),
        ("Parquet, 8 symbols, 2 years of minutes", "parquet", 24, SYMBOLS),
        ("CSV, 8 symbols, 3 months of minutes", "csv", 3, SYMBOLS),
        ("CSV, 1 symbol, 2 years of minutes", "csv", 24, SYMBOLS[:1]),
    ):
        with tempfile.TemporaryDirectory() as folder:
            files, root = Path(folder) / "files", Path(folder) / "data"
            files.mkdir()
            write(files, suffix, months, symbols)
            for what in (name, f"{name}: again, nothing new"):
                print(f"| {what} | ", end="", flush=True)
                subprocess.run([sys.executable, "-m", "benchmarks.market_lake", files, root], check=True)


if __name__ == "__main__":
    measure(Path(sys.argv[1]), Path(sys.argv[2])) if len(sys.argv) > 1 else main()
