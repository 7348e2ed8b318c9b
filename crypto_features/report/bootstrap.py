"""How sure a mean over time is, where neighbours in time resemble each other: a circular block bootstrap.

Blocks keep what is alike together. How long they are follows from the values (Politis and White, Automatic Block-Length
Selection for the Dependent Bootstrap, 2004, as corrected with Patton in 2009), and is at least three horizons: returns
over a horizon overlap, and shorter blocks would take much of that for independent. Few blocks say little of their own
spread, so the interval is Student's with one degree of freedom less than there are blocks, and not the percentiles,
which are too narrow then.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crypto_features.report.ranks import Floats

K = TypeVar("K")
LEAST_BLOCKS = 4
"""With fewer blocks there is no interval: they could not say how far blocks differ."""
HORIZONS_OF_A_BLOCK = 3
RESAMPLES = 500


def block_length(values: Floats, *, horizon: int) -> int:
    """How many neighbours are drawn together.

    Args:
        values: A stationary series, in time order.
        horizon: For how many of them the return of one overlaps that of others.
    """
    return max(HORIZONS_OF_A_BLOCK * horizon if horizon > 1 else 1, math.ceil(_politis_white(values)))


def intervals(
    values: Floats, weights: Floats, parts: Mapping[K, NDArray[np.bool_]], *, block: int, level: float, seed: int
) -> dict[K, tuple[float, float, float]]:
    """For each part of a series its weighted mean, and the bounds between which that of its like lies.

    Args:
        values: A number for each time, already multiplied by its weight.
        weights: The weight of each time, 0 where there is no value.
        parts: By name, the times that belong to a part.
        block: How many neighbours are drawn together.
        level: Share of such intervals that hold the truth, such as 0.95.
        seed: Of the draws: the same one gives the same bounds.

    Returns:
        Mean, low and high; NaN of a part without weights, and bounds of NaN with fewer than `LEAST_BLOCKS` blocks.
    """
    length, names = len(values), list(parts)
    masks = np.array([parts[name] for name in names], dtype=np.float64).reshape(len(names), length)
    columns = np.concatenate([masks * values, masks * weights]).T
    totals = columns.sum(axis=0)
    means = _ratio(totals[: len(names)], totals[len(names) :])
    blocks = masks.sum(axis=1, where=masks * weights > 0) / block if length else np.zeros(len(names))
    errors = np.full(len(names), np.nan)
    if length > block and (blocks >= LEAST_BLOCKS).any():
        drawn = _resampled(columns, block, seed)
        with np.errstate(invalid="ignore"):
            errors = np.nanstd(_ratio(drawn[:, : len(names)], drawn[:, len(names) :]), axis=0)
    found = {}
    for name, mean, error, count in zip(names, means, errors, blocks, strict=True):
        wide = math.nan if count < LEAST_BLOCKS else error * student(level, count - 1) * math.sqrt(count / (count - 1))
        found[name] = (float(mean), float(mean - wide), float(mean + wide))
    return found


def student(level: float, freedom: float) -> float:
    """How many standard errors to either side hold a share `level` of Student's t.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, 26.7.5; off by under 1 % from 3 degrees of
    freedom on.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def _resampled(columns: Floats, block: int, seed: int) -> Floats:
    """The sums of each column over as many drawn blocks as the series has."""
    length = len(columns)
    whole = np.concatenate([np.zeros((1, columns.shape[1])), columns, columns[:block]]).cumsum(axis=0)
    sums = whole[block : block + length] - whole[:length]
    found: Floats = _counts(length, block, seed) @ sums
    return found


@lru_cache(maxsize=4)
def _counts(length: int, block: int, seed: int) -> Floats:
    """How often each resample draws the block that begins at each time; features of the same times draw the same."""
    drawn = np.random.default_rng(seed).integers(0, length, (RESAMPLES, math.ceil(length / block)))
    flat = (drawn + np.arange(RESAMPLES)[:, None] * length).ravel()
    return np.bincount(flat, minlength=RESAMPLES * length).reshape(RESAMPLES, length).astype(np.float64)


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


def _politis_white(values: Floats) -> float:
    """The block length of the circular bootstrap that estimates the variance of a mean best."""
    length = len(values)
    centred = values - values.mean() if length else values
    variance = float(centred @ centred) / length if length else 0.0
    if not variance > 0:
        return 1.0
    run = max(5, math.ceil(math.sqrt(math.log10(length))))
    furthest = min(math.ceil(math.sqrt(length)) + run, length - 1)
    alike = np.array([centred[lag:] @ centred[: length - lag] for lag in range(furthest + 1)]) / length / variance
    small = np.abs(alike[1:]) < 2 * math.sqrt(math.log10(length) / length)
    ends = [lag for lag in range(len(small) - run + 1) if small[lag : lag + run].all()]
    last = ends[0] if ends else int(np.flatnonzero(~small).max(initial=0)) + 1
    reach = min(2 * max(last, 1), furthest)
    lags = np.arange(1, reach + 1)
    taper = np.minimum(1.0, 2 * (1 - lags / reach))
    slope = 2 * float(taper * lags @ alike[1 : reach + 1])
    spectrum = 1 + 2 * float(taper @ alike[1 : reach + 1])
    if not spectrum > 0:
        return 1.0
    best: float = (2 * slope**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * length ** (1 / 3)
    return min(max(best, 1.0), 3 * math.sqrt(length), length / 3)
