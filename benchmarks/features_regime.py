"""Walk-forward figures of the regime on real candles: `python -m benchmarks.features_regime [folder]`.

The folder holds `candles_1h/<SYMBOL>.parquet`; by default the one that CRYPTO_FEATURES_REAL_DATA names.
"""

from pathlib import Path
from statistics import mean

import polars as pl

from benchmarks.real_market import HOUR, read, run
from benchmarks.regime_study import study_regime
from crypto_features.compute.resample import resample
from crypto_features.shipped import price_features
from crypto_features.tables.bars import DAY
from crypto_features.tables.partition import every_row


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
    run(main)
