"""How often both barriers lie within one bar of real candles: `python -m benchmarks.labels_undecided [folder]`.

The folder holds `candles_1h/<SYMBOL>.parquet`; by default the one that CRYPTO_FEATURES_REAL_DATA names.
"""

from pathlib import Path

from benchmarks.real_market import HOUR, read, run
from crypto_features.compute.resample import resample
from crypto_features.shipped import daily_candles
from crypto_features.tables.bars import DAY
from crypto_features.tables.triple_barrier import triple_barrier
from crypto_features.training.labels import audit


def main(folder: Path) -> None:
    """Print the shares as Markdown."""
    hours = read(folder)
    daily = resample(hours, HOUR, DAY)
    print(f"{daily['symbol'].n_unique()} symbols, {daily.height:,} days, horizon 10 days, σ of 20 days\n")
    print("| barriers at | undecided by days | by their hours |\n| --- | --- | --- |")
    for width in (0.5, 1.0, 2.0):
        label = triple_barrier("touch", bars=daily_candles, horizon="10d", profit=width, stop=width)
        shares = [audit(label, label.compute(daily, finer, HOUR)).undecided for finer in (None, hours)]
        print(f"| {width:g} σ | {shares[0]:.2%} | {shares[1]:.2%} |", flush=True)


if __name__ == "__main__":
    run(main)
