"""How often the drift check calls a window unusual: where nothing drifts, and after a shift.

    python -m benchmarks.drift [features]

Each line is the mean over that many independent features of eight symbols, three years of daily values each.
"""

import sys
import time

import numpy as np

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


def main(features: int) -> None:
    print("memory  nothing drifts            one deviation         two deviations")
    print("(bars)  alone   0.7 correlated    in 30 bars  in 90     in 30 bars  in 90")
    for memory in TIMES:
        started = time.perf_counter()
        calm = [share(features, memory, together) for together in (0.0, 0.7)]
        moved = [
            share(features // 4, memory, 0.7, shift, after) for shift in (1.0, 2.0) for after in ((30,), (30, 60, 90))
        ]
        cells = "".join(f"{value:>12.2%}" for value in (*calm, *moved))
        print(f"{memory:>5} {cells}   {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
