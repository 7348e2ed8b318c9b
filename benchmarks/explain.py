"""How long one value takes to explain, and how many of a sample come out of their candles to the bit.

`python -m benchmarks.explain [COUNT]` draws values of all tables of the data folder that CRYPTO_FEATURES_DATA names.
"""

import random
import sys
from datetime import timedelta
from statistics import median
from time import process_time

import polars as pl

from crypto_features.catalogs import current_catalog
from crypto_features.explanation import Verdict, explain
from crypto_features.explanation.subject import explained
from crypto_features.lake.table import stored
from crypto_features.settings import Settings


def main(count: int) -> None:
    """Explain values drawn with a fixed seed."""
    settings, catalog, draw = Settings.load(), current_catalog(), random.Random(1)
    tables = explained(catalog)
    rows = {}
    for name, table in tables.items():
        late = table.bar(settings.interval) if table.time == "open_time" else timedelta(0)
        keys = stored(settings.root, catalog, name).read(columns=["symbol", table.time])
        rows[name] = keys.with_columns(pl.col(table.time) + late)
    seconds, equal = [], 0
    for _ in range(count + 1):
        name = draw.choice(sorted(tables))
        symbol, time = rows[name].row(draw.randrange(rows[name].height))
        begun = process_time()
        found = explain(symbol, f"{name}:{draw.choice(tables[name].columns)}", at=time)
        seconds.append(process_time() - begun)
        equal += found.verdict is Verdict.HOLDS and repr(found.value) == repr(found.recomputed)
    first, *others = seconds
    print(f"{equal} of {count + 1} values equal to the bit")
    print(f"CPU seconds each: median {median(others):.2f}, most {max(others):.2f}; the first of a process {first:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
