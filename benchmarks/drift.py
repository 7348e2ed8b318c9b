"""How often the drift check calls a window unusual: where nothing drifts, and after a shift.

    python -m benchmarks.drift [features]

Each line is the mean over that many independent features of eight symbols, three years of daily values each. The usual
thresholds are a stability index over 0.25, and a Kolmogorov-Smirnov distance that independent values exceed in 1 %.
"""

import sys
import time

import numpy as np

from crypto_features.compute.drift import kolmogorov_smirnov, stability_index
from crypto_features.tables.drift import Drift
from crypto_features.training.drift import drift
from tests.training.stationary import remembering

TIMES = (1, 3, 19, 60)


def share(features: int, memory: float, together: float, shift: float = 0.0, after: tuple[int, ...] = (30,)) -> float:
    """The share of features and symbols that are unusual at one of these numbers of values after the shift."""
    seen: list[np.ndarray] = []
    for seed in range(0, features, 100):
        size = min(100, features - seed)
        looks = []
        for shifted in after:
            rows = remembering(
                size, time=memory, together=together, shift=shift, shifted=max(after), seed=int(seed + memory)
            )
            late = rows.filter(rows["event_timestamp"].rank("dense", descending=True) > max(after) - shifted)
            looks.append(drift(late, [f"f{i}" for i in range(size)])["unusual"].to_numpy())
        seen.append(np.logical_or.reduce(looks))
    return float(np.concatenate(seen).mean())


def usual(features: int, memory: float) -> tuple[float, float]:
    """The share of newest windows that the usual thresholds call drifted, where nothing drifts."""
    how = Drift()
    rows = remembering(features, time=memory, together=0.0, seed=int(memory))
    names = [name for name in rows.columns if name.startswith("f")]
    newest = rows.group_by("symbol").tail(how.reference + how.window)
    pairs = np.concatenate([part.select(names).to_numpy().T for part in newest.partition_by("symbol")])
    far = 1.628 * np.sqrt(1 / how.reference + 1 / how.window)  # Kolmogorov's distribution at 1 %.
    index, distance = stability_index(pairs, how.reference), kolmogorov_smirnov(pairs, how.reference)
    return float((index > 0.25).mean()), float((distance > far).mean())


def judging(features: int, symbols: int) -> float:
    """CPU seconds that one check takes."""
    rows = remembering(features, time=3, together=0.3, symbols=symbols)
    started = time.process_time()
    drift(rows, [name for name in rows.columns if name.startswith("f")])
    return time.process_time() - started


def main(features: int) -> None:
    print(f"Judging 12 features of 500 symbols: {judging(12, 500):.1f} CPU seconds\n")
    print("memory  usual thresholds        nothing drifts            one deviation         two deviations")
    print("(bars)  index    distance       alone   0.7 correlated    in 30 bars  in 90     in 30 bars  in 90")
    for memory in TIMES:
        started = time.perf_counter()
        calm = [share(features, memory, together) for together in (0.0, 0.7)]
        moved = [
            share(features // 4, memory, 0.7, shift, after) for shift in (1.0, 2.0) for after in ((30,), (30, 60, 90))
        ]
        cells = "".join(f"{value:>12.2%}" for value in (*usual(features, memory), *calm, *moved))
        print(f"{memory:>5} {cells}   {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
