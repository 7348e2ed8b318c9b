"""The plan of ten years of 500 symbols, from files: `python -m benchmarks.features_plan`.

Only footers are read when nothing changed, so the tables hold two rows a symbol and month; the notes are of full size.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import polars as pl
from upath import UPath

from crypto_features import clock
from crypto_features.graph.recompute import plan_of, tables_of
from crypto_features.lake.folder import Folder
from crypto_features.lake.models import publish_model
from crypto_features.lake.table import Table, stored
from crypto_features.settings import Settings
from crypto_features.shipped import catalog
from crypto_features.shipped.regime_model import prior_model
from crypto_features.tables.artefact import opened, written
from crypto_features.tables.months import month_span, months_between
from crypto_features.versions.forecast import make_plan
from crypto_features.versions.plan import Published
from crypto_features.versions.provenance import PUBLISHED_AT, partition_metadata

SYMBOLS = [f"S{n:03}" for n in range(500)]
MONTHS = months_between(datetime(2014, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))


def rows(month: str, time_column: str, columns: list[str]) -> pl.DataFrame:
    """Two rows of each symbol."""
    start = month_span(month)[0]
    times = [start + timedelta(days=1), start + timedelta(days=2)]
    frame = pl.DataFrame({"symbol": SYMBOLS}).join(pl.DataFrame({time_column: times}), how="cross")
    frame = frame.with_columns(pl.col(time_column).cast(pl.Datetime("us", "UTC")))
    return frame.with_columns(pl.lit(1.0).alias(column) for column in columns)


def publish(root: UPath) -> None:
    """A data folder with full notes: what a complete build would leave behind."""
    ohlcv = ["open", "high", "low", "close", "volume"]
    raw = Table(root, catalog.raw.name, time=catalog.raw.time, by_symbol=True)
    for month in MONTHS:
        raw.publish(month, rows(month, catalog.raw.time, ohlcv))
    model, notes = opened(written(prior_model().parameters, {})), dict[str, dict[str, dict[str, str]]]()
    fitted = dict.fromkeys(catalog.models, dict.fromkeys(MONTHS, model.version))
    digests = {catalog.raw.name: {m: raw.digest(m) for m in MONTHS}, **fitted}
    for node in tables_of(Settings.load(), catalog):
        notes[node.name] = {}
        state = Published(notes, digests)
        for month in MONTHS:
            inputs = {
                read.table: {m: state.digest(read, m) or "" for m in MONTHS if read.covers(month, m)}
                for read in node.inputs
            }
            named = [name.rpartition(":")[2] for name in node.fingerprints]
            frame = pl.DataFrame() if node.fact else rows(month, catalog.time_of(node.name), named)
            notes[node.name][month] = note = partition_metadata(frame, node.fingerprints, inputs, node.definitions)
            if node.fact:
                publish_model(root, node.name, month, model, {**note, PUBLISHED_AT: clock.now().isoformat()})
            else:
                stored(root, catalog, node.name).publish(month, frame, note)


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Print what a step took, as a row of the table."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    print(f"| {step} | {time.perf_counter() - wall:.2f} | {time.process_time() - cpu:.2f} |")


def main() -> None:
    """Print how long the plan takes, and of what."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CRYPTO_FEATURES_DATA"] = folder
        root = UPath(folder)
        publish(root)
        print(f"{len(MONTHS)} months, {len(SYMBOLS)} symbols, {len(tables_of(Settings.load(), catalog)) + 1} tables\n")
        print("| step | seconds | CPU seconds |\n| --- | --- | --- |")
        with timed("versions of the code"):
            graph = tables_of(Settings.load(), catalog)
        lake = Folder(root, catalog)
        with timed("notes of every partition"):
            state = lake.published()
        with timed("comparison"):
            make_plan(graph, state, lake.read, now=clock.now())
        with timed("**whole plan**"):
            stale = plan_of(Settings.load()).stale
        print(f"\n{len(stale)} of {sum(map(len, state.notes.values()))} partitions are stale.")
        size = sum(len(json.dumps(note)) for months in state.notes.values() for note in months.values())
        print(f"{size / 1e6:.1f} MB of notes.")


if __name__ == "__main__":
    main()
