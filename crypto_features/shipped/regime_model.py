"""The parameters of the regime filter: fitted on the past only, frozen as a JSON artefact with a version."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from crypto_features.errors import InputError
from crypto_features.shipped.regime_filter import (
    NAMES,
    UNKNOWN,
    FilterParameters,
    Floats,
    Gaussian,
    forward_filter,
    rule_labels,
)
from crypto_features.tables.artefact import opened
from crypto_features.tables.model import Parameters

ULTRA_5 = ("return_20d", "volatility_20d", "rsi_14", "ma_alignment", "bb_position")
"""The five features that the filter reads."""

LOOKBACK = "1461d"
"""How much history a fit uses: four years."""

PRIOR_ROWS = 2000
"""How many rows the prior counts for, against those of the history."""

_NAMES = ("rows", "mean", "covariance", "transition", "calibration")
_RIDGE = 1e-3
_DIGITS = 9
_PULL = 5.0
_TINY = 1e-12


@dataclass(frozen=True)
class RegimeModel:
    """Parameters of the forward filter.

    Args:
        rows: How many rows each label was fitted on, the prior's included.
        mean: Mean of the five features, for each label.
        covariance: Their covariance, for each label.
        transition: `transition[i][j]` = P(next label j | label i).
        calibration: Intercept and slope of the logistic map from the filter's probability to the calibrated one.
    """

    rows: tuple[float, ...]
    mean: tuple[tuple[float, ...], ...]
    covariance: tuple[tuple[tuple[float, ...], ...], ...]
    transition: tuple[tuple[float, ...], ...]
    calibration: tuple[float, float]

    @classmethod
    def from_parameters(cls, parameters: Parameters) -> "RegimeModel":
        """The model of what a fit gave.

        Raises:
            InputError: if these are not its parameters.
        """
        try:
            return cls(*(_nested(parameters[name]) for name in _NAMES))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a regime model: {error!r}; materialize regime_model again.") from None

    @property
    def parameters(self) -> Parameters:
        """What a fit gives, and an artefact keeps."""
        return {name: getattr(self, name) for name in _NAMES}

    def probabilities(self, features: Floats) -> Floats:
        """Filtered probability of each label, `(bars, symbols, labels)`, before calibration."""
        return forward_filter(features, [self.filter_parameters], np.zeros(features.shape[:-1], dtype=np.int64))

    @cached_property
    def filter_parameters(self) -> FilterParameters:
        """The model as the filter takes it."""
        gaussians = [Gaussian.of(np.array(m), np.array(c)) for m, c in zip(self.mean, self.covariance, strict=True)]
        return FilterParameters(tuple(gaussians), np.array(self.transition), np.array(self.rows) / sum(self.rows))


@lru_cache(maxsize=1)
def prior_model() -> RegimeModel:
    """What is assumed before there is history: the rule's labels on random walks that know no market."""
    text = resources.files(__package__).joinpath("regime_prior.json").read_text()
    return RegimeModel.from_parameters(opened(text).parameters)


def fit_regime_model(rows: pl.DataFrame, _month: str) -> Parameters:
    """The parameters for a month, from the four years of rows that were known before it began.

    The rule labels each row; for each label the mean and covariance of the five features and the transitions between
    labels are counted, `PRIOR_ROWS` rows of the committed prior included; and the probability is calibrated on how
    often the filtered label was the rule's. Without history it is the prior.

    Args:
        rows: `symbol` and the five features, sorted by symbol and time, of all symbols.
    """
    return fit(padded(rows), prior_model()).parameters


def padded(rows: pl.DataFrame) -> Floats:
    """The five features of rows sorted by symbol and time, `(bars, symbols, 5)`; NaN where null and past the end."""
    own = bars_of_symbols(rows)
    out = np.full((*own.shape, len(ULTRA_5)), np.nan)
    out.transpose(1, 0, 2)[own.T] = rows.select(pl.col(ULTRA_5).fill_null(np.nan)).to_numpy()
    return out


def bars_of_symbols(rows: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Which bars of `(bars, symbols)` are rows: `array.T[bars_of_symbols(rows).T]` is a column of sorted rows."""
    lengths = rows["symbol"].rle().struct.field("len").to_numpy()
    mask: npt.NDArray[np.bool_] = np.arange(lengths.max(initial=0))[:, None] < lengths
    return mask


def calibrated(probability: Floats, intercept: Floats, slope: Floats) -> Floats:
    """How often a label of that filtered probability was the rule's label, on the history of the fit."""
    return _sigmoid(intercept + slope * _logit(probability))


def trend_strength(features: Floats) -> Floats:
    """Trend strength z = return_20d / (volatility_20d · √20), `(bars, symbols)`; NaN unless all five are known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = features[..., 0] / (features[..., 1] * np.sqrt(20))
    return np.where(np.isfinite(features).all(axis=-1) & np.isfinite(z), z, np.nan)


def fit(features: Floats, prior: RegimeModel | None) -> RegimeModel:
    """The model of these rows and of the prior, if there is one."""
    labels = rule_labels(trend_strength(features))
    known = labels != UNKNOWN
    if prior is not None and not known.any():
        return prior
    rows, mean, covariance = [], [], []
    counts = np.ones((len(NAMES), len(NAMES)))
    before, after = labels[:-1][known[:-1] & known[1:]], labels[1:][known[:-1] & known[1:]]
    np.add.at(counts, (before, after), 1)
    for label in range(len(NAMES)):
        n, mu, sigma = _moments(features[labels == label], label, prior)
        rows.append(n)
        mean.append(mu)
        covariance.append(sigma)
    if prior is not None:
        share = PRIOR_ROWS / sum(prior.rows)
        counts += share * np.array(prior.rows)[:, None] * np.array(prior.transition)
    draft = _model(rows, mean, covariance, counts / counts.sum(axis=1, keepdims=True), (0.0, 1.0))
    posterior = draft.probabilities(features)[known]
    right = posterior.argmax(axis=-1) == labels[known]
    calibration = _logistic(_logit(posterior.max(axis=-1)), right, (0.0, 1.0) if prior is None else prior.calibration)
    return _model(rows, mean, covariance, np.array(draft.transition), calibration)


def _moments(rows: Floats, label: int, prior: RegimeModel | None) -> tuple[float, Floats, Floats]:
    """Rows, mean and covariance of a label, with the prior's share of rows; a ridge keeps the covariance invertible."""
    n = float(len(rows))
    mean = rows.mean(axis=0) if n else np.zeros(len(ULTRA_5))
    scatter = (rows - mean).T @ (rows - mean)
    if prior is not None:
        m = PRIOR_ROWS * prior.rows[label] / sum(prior.rows)
        gap = np.array(prior.mean[label]) - mean
        scatter = scatter + m * np.array(prior.covariance[label]) + n * m / (n + m) * np.outer(gap, gap)
        mean = mean + m / (n + m) * gap
        n += m
    covariance = scatter / n
    return n, mean, covariance + _RIDGE * np.diag(np.maximum(np.diag(covariance), 1e-6))


def _logit(probability: Floats) -> Floats:
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))


def _logistic(x: Floats, right: npt.NDArray[np.bool_], towards: tuple[float, float]) -> tuple[float, float]:
    """Intercept and slope by Newton's method with step halving, drawn `towards` by the weight of five rows."""
    design, centre = np.stack([np.ones_like(x), x], axis=1), np.array(towards)

    def loss(beta: Floats) -> float:
        score = design @ beta
        return float((np.logaddexp(0, score) - right * score).sum() + _PULL / 2 * ((beta - centre) ** 2).sum())

    beta = np.zeros(2)
    for _ in range(25):
        p = _sigmoid(design @ beta)
        gradient = design.T @ (p - right) + _PULL * (beta - centre)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + _PULL * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        while loss(beta - step) > loss(beta) and np.abs(step).max() > _TINY:
            step = step / 2
        beta = beta - step
        if np.abs(step).max() <= _TINY:
            break
    return float(beta[0]), float(beta[1])


def _sigmoid(score: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(score, -500, 500)))


def _model(
    rows: list[float],
    mean: list[Floats],
    covariance: list[Floats],
    transition: Floats,
    calibration: tuple[float, float],
) -> RegimeModel:
    content = [rows, [m.tolist() for m in mean], [c.tolist() for c in covariance], transition.tolist(), calibration]
    return RegimeModel(*(_tuples(part) for part in content))


def _nested(value: Any) -> Any:
    return tuple(map(_nested, value)) if isinstance(value, list) else float(value)


def _tuples(value: Any) -> Any:
    """Nested tuples of numbers with nine significant digits: what another machine's last bits cannot change."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else float(f"{value:.{_DIGITS}g}")
