"""Time and memory of a set that is built whole, by its number of months: `python -m benchmarks.training_sets`.

Hourly rows of some symbols with three features, a label of a day, uniqueness weights and five folds. Each size runs in
a process of its own, which shows that memory does not grow with the months. `--symbols 500 --months 24 48` is larger.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from upath import UPath

from crypto_features.compute.windows import window_mean
from crypto_features.lake.history import history
from crypto_features.lake.reading import Reading
from crypto_features.lake.table import stored
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.completeness import MIN_COMPLETENESS
from crypto_features.tables.feature import Feature
from crypto_features.tables.folds import KFold
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.label import forward_return
from crypto_features.tables.months import month_span, months_between
from crypto_features.tables.node import node_of
from crypto_features.tables.raw import RawTable
from crypto_features.tables.read import Terms
from crypto_features.tables.training import TrainingSet
from crypto_features.tables.weights import Weights
from crypto_features.training.build import Origin, build
from crypto_features.training.folder import SetFolder
from crypto_features.versions.definition import table_definitions
from crypto_features.versions.fingerprint import table_fingerprints
from crypto_features.versions.provenance import partition_metadata

HOUR = timedelta(hours=1)
CLOSE = pl.col("close")
candles = RawTable("candles", "Hourly candles.")
moves = FeatureGroup(
    "moves",
    "How a price moved.",
    bars=candles,
    ttl="1h",
    features=(
        Feature("return_1", CLOSE / CLOSE.shift(1) - 1, "Return of an hour.", "ratio", window=2),
        Feature("return_24", CLOSE / CLOSE.shift(24) - 1, "Return of a day.", "ratio", window=25),
        Feature("mean_24", window_mean(CLOSE, 24) / CLOSE, "Mean of a day, of the close.", "ratio", window=24),
    ),
)
training = TrainingSet(
    "hourly",
    features=[moves],
    label=forward_return("ahead_24h", bars=candles, horizon="24h"),
    weights=Weights(),
    folds=KFold(folds=5, embargo="1d"),
)
catalog = Catalog(candles, training)


def fill(root: UPath, symbols: int, months: tuple[str, ...]) -> None:
    """A data folder with a random walk of each symbol, loaded in bulk, and the features of all months."""
    names = [f"S{n:03}" for n in range(symbols)]
    prices, draw = np.full(symbols, 100.0), np.random.default_rng(7)
    table = stored(root, catalog, "candles")
    known = month_span(months[-1])[1]
    for month in months:
        start, end = month_span(month)
        times = pl.datetime_range(start, end, "1h", closed="left", time_unit="us", time_zone="UTC", eager=True)
        walks = prices[:, None] * np.exp(np.cumsum(draw.normal(0, 0.01, (symbols, len(times))), axis=1))
        opened = np.concatenate([prices[:, None], walks[:, :-1]], axis=1).ravel()
        prices, close = walks[:, -1], walks.ravel()
        frame = pl.DataFrame({"symbol": names}).join(times.to_frame("open_time"), how="cross")
        frame = frame.with_columns(open=pl.Series(opened), close=pl.Series(close))
        high, low = pl.max_horizontal("open", "close") * 1.001, pl.min_horizontal("open", "close") * 0.999
        columns = ("symbol", "open_time", "open", high.alias("high"), low.alias("low"), "close")
        rows = frame.select(*columns, volume=pl.lit(1.0), completeness=pl.lit(1.0), known_at=pl.lit(known))
        table.publish(month, rows.with_columns(pl.col("known_at").dt.cast_time_unit("us")))
    versions, definitions = table_fingerprints(catalog), table_definitions(catalog)
    node = node_of(moves, versions, definitions, Terms(HOUR, known, HOUR, MIN_COMPLETENESS))
    read = Reading(root, catalog, moves, HOUR)
    for month in months:
        found = node.compute(read, month, None)
        notes = partition_metadata(found, node.fingerprints, read.digests(), node.definitions)
        stored(root, catalog, "moves").publish(month, found, notes)


def measure(root: UPath, out: UPath) -> dict[str, float]:
    """Build the set; rows, seconds and the peak of memory."""
    past = history(root, catalog, interval=HOUR, wait=HOUR)
    origin = Origin(training, catalog, root, past, table_fingerprints(catalog), table_definitions(catalog))
    began, cpu = time.perf_counter(), time.process_time()
    manifest = build(origin, SetFolder(out))
    return {
        "rows": manifest["rows"]["count"],
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--months", type=int, nargs="+", default=[6, 12, 24])
    parser.add_argument("--measure", nargs=2)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(*map(UPath, chosen.measure))))
        return
    print(f"{chosen.symbols} symbols, hourly rows\n\n| months | rows | seconds | CPU s | peak MB |")
    print("| --- | --- | --- | --- | --- |")
    for count in chosen.months:
        first = datetime(2020, 1, 1, tzinfo=UTC)
        months = months_between(first, first + count * timedelta(days=30))[:count]
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "data"
            fill(UPath(root), chosen.symbols, months)
            command = [
                sys.executable,
                "-m",
                "benchmarks.training_sets",
                "--measure",
                str(root),
                str(Path(folder) / "set"),
            ]
            # The candles were fetched when the last of them closed, and the set is built then.
            environment = {**os.environ, "CRYPTO_FEATURES_CLOCK": month_span(months[-1])[1].isoformat()}
            answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            found = json.loads(answer)
        figures = [f"{found[name]:,.0f}" for name in ("rows", "seconds", "cpu", "megabytes")]
        print(f"| {count} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
