"""Window kernels by doubling: a window of 2m bars is the join of two windows of m bars, one right after the other.

So the last `bars` values are joined in about log2(`bars`) passes over a whole array, by one fixed tree of operations.
A value depends on the values of its window and nothing else, to the bit: not on where history starts, nor on how many
bars are computed at once. Only +, −, ×, ÷, square roots and comparisons are used: IEEE 754 fixes them on every machine.

Time is the last axis of every array. What comes before the first full window is NaN. A NaN or an infinity spoils the
windows that hold it and is gone after them.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Join = Callable[[Array, Array, int, int], Array]
"""Joins each window with the newer one right after it: both, and how many bars each of them holds."""

BLOCK = 32_768
"""Windows that are computed at once: their arrays stay in the processor's cache."""

_FORGOTTEN = 2.0**-53
"""Half the distance from 1 to the next float: a share below it changes no sum."""
_UNSIGNED = 0.0
"""Added, it makes 0 of −0: which of the two is the greater, no standard fixes."""


def sums(values: Array, bars: int) -> Array:
    """Sums of the last `bars` values."""
    return _over_windows(values, bars, lambda part: _joined(part, bars, lambda older, newer, *_: older + newer))


def means(values: Array, bars: int) -> Array:
    """Arithmetic means of the last `bars` values; exactly the value where they are all equal."""
    return _over_windows(values, bars, lambda part: _joined(part, bars, _join_means))


def deviations(values: Array, bars: int, ddof: int) -> Array:
    """Standard deviations of the last `bars` values; exactly 0 where they are all equal.

    Source of the join: Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances, 1979.
    """

    def deviation(part: Array) -> Array:
        moments = np.stack([part, np.zeros_like(part)])
        squares: Array = _joined(moments, bars, _join_moments)[1]
        return np.sqrt(squares / (bars - ddof))

    return _over_windows(values, bars, deviation)


def co_moments(x: Array, y: Array, bars: int) -> Array:
    """Of the last `bars` pairs the sums of squared distances of `x`, of `y`, and of the products of both distances.

    Each is exactly 0 where all `x`, or all `y`, are equal. Source of the join: as `deviations`.

    Returns:
        Three rows: squares of `x`, squares of `y`, products.
    """
    out = np.full((3, *x.shape), np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, x.shape[-1] - bars + 1, BLOCK):
            pairs = np.stack([x[first : first + BLOCK + bars - 1], y[first : first + BLOCK + bars - 1]])
            moments = np.concatenate([pairs, np.zeros((3, pairs.shape[-1]))])
            out[:, first + bars - 1 : first + bars - 1 + BLOCK] = _joined(moments, bars, _join_co_moments)[2:]
    return out


def highest(values: Array, bars: int) -> Array:
    """Greatest of the last `bars` values; −0 counts as 0."""
    return _over_windows(values + _UNSIGNED, bars, lambda part: _joined(part, bars, lambda a, b, *_: np.maximum(a, b)))


def lowest(values: Array, bars: int) -> Array:
    """Least of the last `bars` values; −0 counts as 0."""
    return _over_windows(values + _UNSIGNED, bars, lambda part: _joined(part, bars, lambda a, b, *_: np.minimum(a, b)))


def memory(alpha: float) -> int:
    """Bars of exponential smoothing: the power of two after which less than 2⁻⁵³ of an older value would be left."""
    bars, left = 1, 1 - alpha
    while left > _FORGOTTEN:
        bars, left = 2 * bars, left * left
    return bars


def exponential_means(values: Array, alpha: float, *, seed: int, skip: int = 0) -> Array:
    """Means of the last `memory(alpha)` values, each weighing 1 − `alpha` of the next newer one.

    Args:
        values: Values of one history, or of several along the first axes.
        alpha: Weight of the newest value in the recursive form, more than 0 and at most 1.
        seed: Before there are `memory(alpha)` values, the mean of the first `seed` ones stands for all that is missing
            before and for them; no value comes before them.
        skip: How many bars at the beginning of a history have no value, whatever the array holds there.
    """
    bars, known = memory(alpha), values[..., skip:]
    out = np.full(values.shape, np.nan)
    out[..., skip:] = _over_windows(known, bars, lambda part: _smoothed(part, alpha))
    young = known[..., : bars - 1]
    if young.shape[-1] >= seed:
        past = np.repeat(means(young[..., :seed], seed)[..., -1:], bars, axis=-1)
        begun = np.concatenate([past, young[..., seed:]], axis=-1)
        first = _over_windows(begun, bars, lambda part: _smoothed(part, alpha))[..., bars - 1 :]
        out[..., skip + seed - 1 : skip + bars - 1] = first
    return out


def _smoothed(values: Array, alpha: float) -> Array:
    """By doubling: the older half of 2m bars weighs (1 − alpha)^m of the newer one; powers by squaring alone."""
    size, left, bars = 1, 1 - alpha, memory(alpha)
    while size < bars:
        values = _drawn_to(values[..., size:], values[..., :-size], left / (1 + left))
        size, left = 2 * size, left * left
    return values


def _joined(windows: Array, bars: int, join: Join) -> Array:
    """Windows of `bars` bars: of the windows of 1, 2, 4, ... bars, those in the binary digits of `bars`, joined."""
    size, have, out = 1, 0, windows
    while True:
        if bars & size:
            out = join(windows[..., : windows.shape[-1] - have], out[..., size:], size, have) if have else windows
            have += size
        if have == bars:
            return out
        windows = join(windows[..., :-size], windows[..., size:], size, size)
        size *= 2


def _join_means(older: Array, newer: Array, before: int, after: int) -> Array:
    return _drawn_to(older, newer, after / (before + after))


def _join_moments(older: Array, newer: Array, before: int, after: int) -> Array:
    """Of means and sums of squared distances from them."""
    apart = newer[0] - older[0]
    joined = older + newer
    joined[0] = older[0] + apart * (after / (before + after))
    apart *= apart
    apart *= before * after / (before + after)
    joined[1] += apart
    return joined


def _join_co_moments(older: Array, newer: Array, before: int, after: int) -> Array:
    """Of both means, both sums of squared distances from them, and the sum of the products of distances."""
    apart = newer[:2] - older[:2]
    joined = older + newer
    joined[:2] = older[:2] + apart * (after / (before + after))
    share = before * after / (before + after)
    joined[2:4] += apart * apart * share
    joined[4] += apart[0] * apart[1] * share
    return joined


def _drawn_to(values: Array, others: Array, share: float) -> Array:
    """Values that are moved by a share of the distance towards others; exactly themselves where both are equal."""
    moved: Array = others - values
    moved *= share
    moved += values
    return moved


def _over_windows(values: Array, bars: int, kernel: Callable[[Array], Array]) -> Array:
    out = np.full(values.shape, np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, values.shape[-1] - bars + 1, BLOCK):
            part = values[..., first : first + BLOCK + bars - 1]
            out[..., first + bars - 1 : first + bars - 1 + BLOCK] = kernel(part)
    return out
