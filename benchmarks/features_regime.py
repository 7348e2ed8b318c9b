"""Walk-forward figures of the regime on real candles: `python -m benchmarks.features_regime [folder]`.

The folder holds `candles_1h/<SYMBOL>.parquet`; by default the one that CRYPTO_FEATURES_REAL_DATA names.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from statistics import mean

import polars as pl

from benchmarks.regime_study import study_regime
from crypto_features.compute.resample import resample
from crypto_features.shipped import price_features
from crypto_features.tables.bars import DAY
from crypto_features.tables.partition import every_row

HOUR = timedelta(hours=1)


def read(folder: Path) -> pl.DataFrame:
    """The candles of every file."""
    files = sorted((folder / "candles_1h").glob("*.parquet"))
    frames = [pl.read_parquet(file).with_columns(symbol=pl.lit(file.stem)) for file in files]
    return pl.concat(frames).with_columns(pl.col("open_time").cast(pl.Datetime("us", "UTC")))


def main(folder: Path) -> None:
    """Print the figures as Markdown."""
    daily = resample(read(folder), HOUR, DAY)
    prices = every_row(price_features, {"daily_candles": daily}, interval=HOUR)
    study = study_regime(prices)
    shares = {month: changed / (of or 1) for month, (changed, of) in study.changed.items()}
    worst = max(shares, key=shares.__getitem__)
    changed, compared = (sum(pair[i] for pair in study.changed.values()) for i in (0, 1))
    first, last = daily.select(a=pl.col("open_time").min(), b=pl.col("open_time").max()).row(0)
    print(f"{daily['symbol'].n_unique()} symbols, {daily.height:,} days, {first:%Y-%m} to {last:%Y-%m}\n")
    print("| figure | value |\n| --- | --- |")
    print(f"| past labels changed by a monthly refit, of all {compared:,} compared | {changed / compared:.2%} |")
    print(f"| mean over the {len(shares)} refits | {mean(shares.values()):.2%} |")
    print(f"| worst refit ({worst}) | {shares[worst]:.2%} of {study.changed[worst][1]:,} |")
    print(f"| switches a year and symbol | {study.switches:.1f} |")
    print(f"| median days of a label | {study.median_days:.0f} |")
    print("\n| probability | rows | mean probability | label was the rule's |\n| --- | --- | --- | --- |")
    for row in study.reliability.iter_rows(named=True):
        print(f"| {row['bin']} | {row['rows']:,} | {row['probability']:.3f} | {row['right']:.3f} |")


if __name__ == "__main__":
    named = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("CRYPTO_FEATURES_REAL_DATA")
    if not named:
        print("Left out: it needs real candles; name their folder, or set CRYPTO_FEATURES_REAL_DATA.")
    else:
        main(Path(named))
