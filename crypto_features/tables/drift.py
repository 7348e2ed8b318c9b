"""How values are watched for drift: against their own reference window, and their own past."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from crypto_features.errors import InputError

if TYPE_CHECKING:  # a group and a set declare how they are watched.
    from crypto_features.tables.feature import Feature
    from crypto_features.tables.group import FeatureGroup
    from crypto_features.tables.model import FittedModel
    from crypto_features.tables.training import TrainingSet

LEVELS = ("quote", "base asset", "contract", "price", "trades", "days", "time")
"""How the units of prices, volumes and counters begin: such a level wanders, so it has no reference to drift from."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How a group's table, or the label of a training set, is watched.

    The newest values of each symbol are compared with those before them. How far the two usually lie apart is taken
    from earlier windows of the same feature, of all symbols together.

    Args:
        window: How many of the newest values are judged.
        reference: How many values before them they are compared with.
        history: How many values back earlier windows are taken from, reference included.
        level: The share, 0 to 1, of windows that are called unusual when nothing drifts.
        features: Which features are watched. By default numbers, truths and texts whose unit is not a price, a volume
            or a count of time, and whose value needs no more bars than the window has: a smoother one shows nothing.
            Of a group that reads a fitted model, all that it forecasts, however smooth. Of a training set, which of its
            columns; by default its label.

    Raises:
        InputError: if a length is too short, or the level is not a share.
    """

    window: int = 30
    reference: int = 365
    history: int = 1095
    level: float = 0.01
    features: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.window < 10 or self.reference < 2 * self.window:  # noqa: PLR2004 - fewer values have no distribution.
            raise InputError(
                f"Drift declares window={self.window} and reference={self.reference}; expected 10 values or more, and "
                "a reference of at least two windows."
            )
        if self.history < self.reference + 2 * self.window:
            raise InputError(
                f"Drift declares history={self.history}; expected {self.reference + 2 * self.window} values or more, "
                "so that there are windows before the newest one."
            )
        if not 0 < self.level < 1:
            raise InputError(f"Drift declares level={self.level}; expected a share between 0 and 1, such as 0.01.")


def watched(group: "FeatureGroup") -> tuple[str, ...]:
    """The features of a group that are watched for drift; none if it declares `drift=None`.

    >>> from crypto_features.shipped import regime_features, volume_features
    >>> watched(volume_features), watched(regime_features)
    (('volume_ratio', 'volume_trend', 'cmf_20', 'mfi_14'), ('regime_label', 'regime_probability'))
    """
    if group.drift is None:
        return ()
    if group.drift.features is not None:
        return tuple(group.drift.features)
    smooth = bool(forecast_by(group))
    return tuple(
        feature.name
        for feature in group.features
        if _settles(feature) and (smooth or feature.warm_up <= group.drift.window)
    )


def forecast_by(group: "FeatureGroup") -> tuple[str, ...]:
    """The fitted models whose forecasts a group holds; none of a group that reads no model."""
    return tuple(join.table.name for join in group.joins if join.table.fact)


def watched_fit(model: "FittedModel") -> tuple[str, ...]:
    """The features that a model is fitted on and that are watched for drift, however smooth; none if their group says
    `drift=None`.

    >>> from crypto_features.shipped import regime_model
    >>> watched_fit(regime_model)
    ('return_20d', 'volatility_20d', 'rsi_14', 'ma_alignment', 'bb_position')
    """
    if model.of.drift is None:
        return ()
    return tuple(name for name in model.features if _settles(model.of.feature(name)))


def watched_columns(training: "TrainingSet") -> tuple[str, ...]:
    """The columns of a training set that are watched for drift: its label, unless it declares others.

    Not the weights: those by uniqueness are greater at the end of the data, where fewer labels overlap.
    """
    if training.drift is None:
        return ()
    if training.drift.features is not None:
        return tuple(training.drift.features)
    return () if training.label is None else (training.label.name,)


def _settles(feature: "Feature") -> bool:
    """Whether its values have a distribution to drift from."""
    ordered = feature.column_type.is_numeric() or feature.column_type in (pl.Boolean(), pl.String())
    return ordered and not feature.unit.startswith(LEVELS)
