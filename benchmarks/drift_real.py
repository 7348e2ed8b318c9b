"""How often the check of drift calls real values unusual, and what these remember: `python -m benchmarks.drift_real`.

An argument names the folder with `candles_1h/<SYMBOL>.parquet`; by default CRYPTO_FEATURES_REAL_DATA does.
"""

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from benchmarks.real_market import HOUR, read, run
from crypto_features.compute.resample import resample
from crypto_features.shipped import daily_candles, price_features, volume_features
from crypto_features.tables.bars import DAY
from crypto_features.tables.drift import watched
from crypto_features.tables.label import forward_return
from crypto_features.tables.partition import every_row
from crypto_features.training.drift import drift

LOOKS, APART = 20, timedelta(days=30)


def main(folder: Path) -> None:
    """Print the figures as Markdown."""
    daily = resample(read(folder), HOUR, DAY)
    label = forward_return("return_5d_ahead", bars=daily_candles, horizon="5d")
    tables = {
        group.name: (every_row(group, {"daily_candles": daily}, interval=HOUR), watched(group))
        for group in (price_features, volume_features)
    }
    tables["label"] = (label.compute(daily, None, HOUR), (label.name,))
    first, last = daily.select(a=pl.col("open_time").min(), b=pl.col("open_time").max()).row(0)
    print(f"{daily['symbol'].n_unique()} symbols, {daily.height:,} days, {first:%Y-%m} to {last:%Y-%m}\n")
    print(f"| watched | features | unusual in {LOOKS} looks, {APART.days} days apart | looks that warned |")
    print("| --- | --- | --- | --- |")
    memory: dict[str, float] = {}
    for name, (rows, names) in tables.items():
        newest = rows["event_timestamp"].max()
        assert isinstance(newest, datetime)
        looks = [drift(rows.filter(pl.col("event_timestamp") <= newest - k * APART), names) for k in range(LOOKS)]
        every = pl.concat(looks)
        memory |= dict(looks[0].select("feature", "memory").iter_rows())
        warned, unusual = sum(look["drifted"].any() for look in looks), every["unusual"].sum() / every.height
        print(f"| {name} | {len(names)} | {unusual:.2%} of {every.height:,} | {warned} |", flush=True)
    print("\n| feature | remembers |\n| --- | --- |")
    for name, days in sorted(memory.items(), key=lambda item: item[1]):
        print(f"| {name} | {days:.1f} days |")


if __name__ == "__main__":
    run(main)
