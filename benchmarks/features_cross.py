"""A cross-sectional group over 500 symbols and three years of hours: `python -m benchmarks.features_cross`."""

import time
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

import crypto_features as cf
from crypto_features.tables.partition import evaluate

SYMBOLS, HOURS, GOAL = 500, 3 * 365 * 24, 20
START = datetime(2023, 1, 1, tzinfo=UTC)
CLOSE = pl.col("close")

group = cf.FeatureGroup(
    "strength",
    bars=cf.RawTable("candles"),
    across="symbols",
    features=[
        cf.Feature("rank_move", cf.rank(CLOSE / pl.col("open") - 1), "Rank of the move.", "0 to 1"),
        cf.Feature("z_volume", cf.zscore("volume"), "z-score of volume.", "deviations"),
        cf.Feature("rising", cf.breadth(pl.col("open") < CLOSE), "Share that rises.", "share"),
    ],
)


def market() -> pl.DataFrame:
    """Hourly candles of many symbols."""
    random = np.random.default_rng(0)
    opened = pl.datetime_range(
        START, START + HOURS * timedelta(hours=1), "1h", closed="left", time_unit="us", eager=True
    )
    names = pl.DataFrame({"symbol": [f"S{number:03d}" for number in range(SYMBOLS)]})
    rows = names.join(pl.DataFrame({"open_time": opened}), how="cross")
    values = random.lognormal(size=(3, rows.height))
    return rows.with_columns(open=values[0], close=values[1], volume=values[2])


def main() -> None:
    """Print wall and CPU seconds."""
    candles = market()
    wall, cpu = time.perf_counter(), time.process_time()
    rows = evaluate(group, {"candles": candles}, interval=timedelta(hours=1))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{rows.height:,} rows of {SYMBOLS} symbols, 3 features: {wall:.1f} s, {cpu:.1f} CPU s; goal {GOAL} s")


if __name__ == "__main__":
    main()
