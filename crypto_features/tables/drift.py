"""How a feature table is watched for drift: against its own reference window, and its own past."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from crypto_features.errors import InputError

if TYPE_CHECKING:  # a group declares how it is watched.
    from crypto_features.tables.group import FeatureGroup

LEVELS = ("quote", "base asset", "contract", "price", "trades", "days", "time")
"""How the units of prices, volumes and counters begin: such a level wanders, so it has no reference to drift from."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How a group's table is watched.

    The newest values of each symbol are compared with those before them. How far the two usually lie apart is taken
    from earlier windows of the same feature, of all symbols together.

    Args:
        window: How many of the newest values are judged.
        reference: How many values before them they are compared with.
        history: How many values back earlier windows are taken from, reference included.
        level: The share, 0 to 1, of windows that are called unusual when nothing drifts.
        features: Which features are watched. By default numbers, truths and texts whose unit is not a price, a volume
            or a count of time, and whose value needs no more bars than the window has: a smoother one shows nothing.
            Of a group that reads a fitted model, all that it forecasts, however smooth.

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
    forecasts = any(join.table.fact for join in group.joins)
    return tuple(
        feature.name
        for feature in group.features
        if (feature.column_type.is_numeric() or feature.column_type in (pl.Boolean(), pl.String()))
        and not feature.unit.startswith(LEVELS)
        and (forecasts or feature.warm_up <= group.drift.window)
    )
