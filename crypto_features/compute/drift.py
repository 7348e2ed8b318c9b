"""How far two samples lie apart: the Kolmogorov-Smirnov distance and the population stability index.

Each row of an array is a pair of samples: first the reference, then the window.
"""

import numpy as np
import numpy.typing as npt

from crypto_features.compute.doubling import Array

BINS = 10
"""Bins of the stability index, between the deciles of the reference."""
_FOLLOWED = 0.05
"""Autocorrelation below which a series counts as having forgotten."""


def kolmogorov_smirnov(samples: Array, reference: int) -> Array:
    """The greatest distance between the distribution functions of reference and window, 0 to 1.

    Source: N. V. Smirnov, Table for Estimating the Goodness of Fit of Empirical Distributions, 1948.

    Args:
        samples: A row for each pair.
        reference: How many values of a row are the reference.
    """
    window = samples.shape[1] - reference
    order = np.argsort(samples, axis=1)
    ordered = np.take_along_axis(samples, order, axis=1)
    apart = np.abs(np.cumsum(np.where(order < reference, window, -reference), axis=1))
    apart[:, :-1][ordered[:, 1:] == ordered[:, :-1]] = 0  # the functions step past equal values at once.
    distances: Array = apart.max(axis=1) / (reference * window)
    return distances


def stability_index(samples: Array, reference: int) -> Array:
    """The population stability index: Σ (q − p) · ln(q / p) over the bins between the reference's deciles.

    Half a value is added to each bin, so that an empty one has a logarithm. Source: N. Siddiqi, Credit Risk Scorecards,
    2006.

    Args:
        samples: A row for each pair.
        reference: How many values of a row are the reference.
    """
    before, now = samples[:, :reference], samples[:, reference:]
    edges = np.sort(before, axis=1)[:, np.arange(1, BINS) * reference // BINS]
    p, q = _shares(before, edges), _shares(now, edges)
    indices: Array = ((q - p) * np.log(q / p)).sum(axis=1)
    return indices


def autocorrelation_time(values: Array) -> float:
    """How many values tell as much as one independent one: 1 + 2 Σ r, up to the first r below 0.05.

    `r` are the autocorrelations at lags 1, 2, ... Source: A. D. Sokal, Monte Carlo Methods in Statistical Mechanics,
    1997.
    """
    centred = values - values.mean()
    size = 2 ** int(np.ceil(np.log2(2 * len(values))))
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    covariance = np.fft.irfft(power, size)[: len(values)]
    if covariance[0] <= 0:
        return 1.0
    correlation = covariance / covariance[0]
    forgotten = np.flatnonzero(correlation < _FOLLOWED)
    return float(1 + 2 * correlation[1 : forgotten[0] if len(forgotten) else None].sum())


def _shares(values: Array, edges: Array) -> Array:
    above: npt.NDArray[np.int64] = (values[:, None, :] > edges[:, :, None]).sum(axis=2)
    size = values.shape[1]
    bounds = np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (size, 0)))
    shares: Array = (bounds[:, :-1] - bounds[:, 1:] + 0.5) / (size + 0.5 * BINS)
    return shares
