"""How often intervals of a feature report hold the truth, on noise: `python -m benchmarks.feature_reports [600]`."""

import sys

import numpy as np

from crypto_features.report import forward_returns, measure
from crypto_features.report.bootstrap import student
from tests.report.panels import DAY, drifting, rows, wander

DAYS, HORIZONS, LEVELS = 500, (1, 5, 20), (0.8, 0.95)
KINDS = {"one symbol, independent": (1, 0.0), "one symbol, drifting": (1, 0.95)}
KINDS |= {"8 symbols, independent": (8, 0.0), "8 symbols, drifting": (8, 0.95)}


def held(symbols: int, keeps: float, samples: int) -> dict[float, list[float]]:
    """By level, the share of samples in which the interval of each horizon holds 0."""
    counts = {level: np.zeros(len(HORIZONS)) for level in LEVELS}
    for seed in range(samples):
        closes, _ = wander(seed, DAYS, symbols)
        values = drifting(np.random.default_rng(10_000 + seed), DAYS, symbols, keeps)
        returns = forward_returns(rows(closes, "close"), bar=DAY, horizons=HORIZONS)
        found = measure(["value"], rows(values, "value"), returns, level=LEVELS[0])["value"].by_horizon
        ics, half = found["ic"].to_numpy(), (found["high"] - found["ic"]).to_numpy()
        freedom = found["times"].to_numpy() / found["block"].to_numpy() - 1
        for level in LEVELS:
            wider = [student(level, f) / student(LEVELS[0], f) for f in freedom]  # the same draws, another level.
            counts[level] += np.abs(ics) <= half * wider
    return {level: (count / samples).tolist() for level, count in counts.items()}


def main() -> None:
    """Print the shares, of 600 samples by default."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    print(f"| {samples} samples of {DAYS} days | " + " | ".join(f"{h} bars" for h in HORIZONS) + " |")
    print("| --- " * (len(HORIZONS) + 1) + "|")
    for name, (symbols, keeps) in KINDS.items():
        for level, shares in held(symbols, keeps, samples).items():
            print(f"| {name}, {level:.0%} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")


if __name__ == "__main__":
    main()
