"""The rule that anchors the regime labels, and the forward filter that turns them into probabilities.

Both look back only: a label of day t is a function of the rows up to t and of parameters fitted before. Rows are padded
to one array for all symbols, `(bars, symbols, …)`, and only added and multiplied element by element, so the bits of one
symbol never depend on the others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]

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


def forward_filter(features: Floats, gaussians: list[Gaussian], transition: Floats, start: Floats) -> Floats:
    """P(label of bar t | features up to t): posterior ∝ likelihood × transition' × previous posterior.

    Args:
        features: `(bars, symbols, features)`; a bar with a NaN moves the state by the transition alone.
        gaussians: One a label.
        transition: `transition[i, j]` = P(next label j | label i).
        start: Probability of each label before the first bar.

    Returns:
        `(bars, symbols, labels)`.
    """
    log_likelihood = np.stack([gaussian.log_density(features) for gaussian in gaussians])
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=0))
    likelihood = np.where(np.isnan(likelihood), 1.0, likelihood)
    posterior = np.empty((features.shape[0], len(gaussians), features.shape[1]))
    previous = np.repeat(start[:, None], features.shape[1], axis=1)
    for bar in range(features.shape[0]):
        ahead = transition[0][:, None] * previous[0]
        for i in range(1, len(gaussians)):
            ahead = ahead + transition[i][:, None] * previous[i]
        joint = likelihood[:, bar] * ahead
        total = joint[0]
        for i in range(1, len(gaussians)):
            total = total + joint[i]
        previous = joint / total
        posterior[bar] = previous
    return posterior.transpose(0, 2, 1)
