"""The rule that anchors the regime labels, and the forward filter that turns them into probabilities.

Both look back only: a label of day t is a function of the rows up to t and of parameters fitted before. Rows are padded
to one array for all symbols, `(bars, symbols, …)`, and only added and multiplied element by element, so the bits of one
symbol never depend on the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int64]

BULL, BEAR, SIDEWAYS = 0, 1, 2
NAMES = ("BULL", "BEAR", "SIDEWAYS")
UNKNOWN = -1

ENTER, LEAVE, STAY = 1.0, 0.25, 5
"""Trend strength at which a trend is entered and left, and the fewest bars for which a label stays."""


def rule_labels(strength: Floats) -> Labels:
    """Labels of the hysteresis rule on trend strength z = return_20d / (volatility_20d · √20).

    A trend begins at |z| > 1 and ends when z falls back through 0.25 of its sign; a label stays for at least 5 bars.
    Each has a bar's z as of that bar; bars without z have no label and leave the state as it is.

    Args:
        strength: z, `(bars, symbols)`, NaN where unknown.
    """
    state = np.full(strength.shape[1], SIDEWAYS, dtype=np.int8)
    stayed = np.full(strength.shape[1], STAY)
    labels = np.full(strength.shape, UNKNOWN, dtype=np.int8)
    with np.errstate(invalid="ignore"):
        for bar, z in enumerate(strength):
            ended = ((state == BULL) & (z < LEAVE)) | ((state == BEAR) & (z > -LEAVE))
            target = np.where(ended, SIDEWAYS, state)
            target = np.where((z > ENTER) & (target != BULL), BULL, target)
            target = np.where((z < -ENTER) & (target != BEAR), BEAR, target).astype(np.int8)
            known = ~np.isnan(z)
            moves = known & (target != state) & (stayed >= STAY)
            state = np.where(moves, target, state)
            stayed = np.where(moves, 1, stayed + known)
            labels[bar] = np.where(known, state, UNKNOWN)
    return labels


@dataclass(frozen=True)
class Gaussian:
    """One label's distribution of the features: its mean, and the inverse of the covariance's Cholesky factor."""

    mean: Floats
    whitening: Floats

    @classmethod
    def of(cls, mean: Floats, covariance: Floats) -> "Gaussian":
        return cls(mean, np.linalg.inv(np.linalg.cholesky(covariance)))

    def log_density(self, features: Floats) -> Floats:
        """Log density without the constant term, `(bars, symbols)`, of `(bars, symbols, features)`."""
        centred = [features[..., i] - mean for i, mean in enumerate(self.mean)]
        distance = np.zeros(features.shape[:-1])
        for row, weights in enumerate(self.whitening):
            whitened = np.zeros(features.shape[:-1])
            for column in range(row + 1):
                whitened += weights[column] * centred[column]
            distance += whitened * whitened
        return float(np.log(np.diag(self.whitening)).sum()) - distance / 2


@dataclass(frozen=True)
class FilterParameters:
    """What the filter assumes at a bar.

    Args:
        gaussians: One a label.
        transition: `transition[i, j]` = P(next label j | label i).
        start: Probability of each label before a symbol's first bar.
    """

    gaussians: tuple[Gaussian, ...]
    transition: Floats
    start: Floats


def forward_filter(features: Floats, parameters: Sequence[FilterParameters], in_force: Indices) -> Floats:
    """P(label of bar t | features up to t): posterior ∝ likelihood × transition' × previous posterior.

    Args:
        features: `(bars, symbols, features)`; a bar with a NaN moves the state by the transition alone.
        parameters: Those of each period.
        in_force: Which of them each bar is read by, `(bars, symbols)`.

    Returns:
        `(bars, symbols, labels)`.
    """
    if not in_force.size:
        return np.empty((*in_force.shape, len(NAMES)))
    labels = range(len(NAMES))
    likelihood = np.ones((len(labels), *in_force.shape))
    for index, period in enumerate(parameters):
        bars = in_force == index
        log_density = np.stack([gaussian.log_density(features[bars]) for gaussian in period.gaussians])
        ratio = np.exp(log_density - log_density.max(axis=0))
        likelihood[:, bars] = np.where(np.isnan(ratio), 1.0, ratio)
    transitions = np.stack([period.transition for period in parameters], axis=-1)
    posterior = np.empty_like(likelihood)
    previous = np.stack([period.start for period in parameters], axis=-1)[:, in_force[:1].ravel()]
    for bar, period_of_symbol in enumerate(in_force):
        transition = transitions[..., period_of_symbol]
        ahead = transition[0] * previous[0]
        for label in labels[1:]:
            ahead = ahead + transition[label] * previous[label]
        joint = likelihood[:, bar] * ahead
        total = joint[0]
        for label in labels[1:]:
            total = total + joint[label]
        previous = posterior[:, bar] = joint / total
    return posterior.transpose(1, 2, 0)
