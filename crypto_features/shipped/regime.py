"""Whether a market rises, falls or goes nowhere, as a filtered probability."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from crypto_features.errors import InputError
from crypto_features.shipped.plots import regime_ribbon
from crypto_features.shipped.price import price_features
from crypto_features.shipped.regime_filter import NAMES, forward_filter
from crypto_features.shipped.regime_model import (
    LOOKBACK,
    ULTRA_5,
    RegimeModel,
    bars_of_symbols,
    calibrated,
    fit_regime_model,
    padded,
    prior_model,
)
from crypto_features.tables.artefact import opened
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.months import MONTH
from crypto_features.tables.table import Join

LONGEST = 365
"""Days beyond which regime_duration is not counted on: the first row of a window must not show in the last."""

_SOURCES = (*(("price_features", name) for name in ULTRA_5), ("regime_model", "parameters"))


def filtered(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Label, probability and duration of each row of `price_features`.

    One filter runs through the window and reads each row by the parameters of the row's own month, as it was read when
    it was published. So a label never depends on what is fitted later, and a duration counts published labels.

    Raises:
        InputError: if a month has rows but no parameters.
    """
    rows = inputs["price_features"].sort("symbol", "event_timestamp").with_columns(month=MONTH)
    models, in_force_in = _models(rows["month"], inputs["regime_model"])
    own = bars_of_symbols(rows)
    in_force = np.zeros(own.shape, dtype=np.int64)
    in_force.T[own.T] = rows["month"].replace_strict(in_force_in, return_dtype=pl.Int64)
    posterior = forward_filter(padded(rows), [model.filter_parameters for model in models], in_force)
    calibration = np.array([model.calibration for model in models]).reshape(-1, 2)[in_force.T[own.T]]
    known = pl.all_horizontal(pl.col(ULTRA_5).is_finite().fill_null(value=False))
    labelled = rows.select(
        "symbol",
        "event_timestamp",
        known=known,
        regime_label=pl.Series(posterior.argmax(axis=-1).T[own.T]).replace_strict(
            dict(enumerate(NAMES)), return_dtype=pl.String
        ),
        regime_probability=pl.Series(calibrated(posterior.max(axis=-1).T[own.T], *calibration.T)),
    )
    since = pl.col("event_timestamp") - pl.col("event_timestamp").first()
    durations = labelled.filter("known").select(
        "symbol",
        "event_timestamp",
        "regime_label",
        "regime_probability",
        regime_duration=since.over("symbol", pl.col("regime_label").rle_id().over("symbol"))
        .dt.total_days()
        .clip(upper_bound=LONGEST),
    )
    return rows.select("symbol", "event_timestamp").join(durations, on=["symbol", "event_timestamp"], how="left")


def _models(months: pl.Series, table: pl.DataFrame) -> tuple[list[RegimeModel], dict[str, int]]:
    """The models, and which of them is that of each month."""
    parameters = dict(table.select("month", "parameters").sort("month").iter_rows())
    if missing := sorted(set(months) - parameters.keys()):
        raise InputError(
            f"price_features has rows of {', '.join(missing)} but regime_model has no parameters for them; "
            "materialize regime_model for these months first."
        )
    places = {text: place for place, text in enumerate(dict.fromkeys(parameters.values()))}
    models = [RegimeModel.from_parameters(opened(text).parameters) for text in places]
    return models, {month: places[text] for month, text in parameters.items()}


regime_model = FittedModel(
    "regime_model",
    of=price_features,
    features=ULTRA_5,
    lookback=LOOKBACK,
    fit=fit_regime_model,
    about={"labels": NAMES, "features": ULTRA_5},
    prior=lambda: prior_model().parameters,
    description="Parameters of the rule-anchored forward filter: Gaussians of the five features for each label "
    "and the transitions between labels. Those of a month come only from rows known before it began, and stay as "
    "they were published when candles are corrected or symbols are added later.",
)

regime_features = FeatureGroup(
    name="regime_features",
    description="Market regime by a forward filter anchored to a trend rule; a description of the past, no forecast.",
    bars=price_features,
    lookback="500d",
    joins=(Join(regime_model, "500d"),),
    ttl="1d",
    plots={"regimes": regime_ribbon},
    features=(
        Feature(
            "regime_label",
            None,
            "Most probable of BULL, BEAR and SIDEWAYS, given the five features of this and earlier days.",
            "label",
            dtype=pl.String,
            window=60,
            sources=_SOURCES,
        ),
        Feature(
            "regime_probability",
            None,
            "Calibrated probability of the label: how often such a label was the trend rule's, on earlier data.",
            "0 to 1",
            window=60,
            bounds=(0, 1),
            sources=_SOURCES,
        ),
        Feature(
            "regime_duration",
            None,
            f"Days since the label began; 0 on its first day, and {LONGEST} from then on.",
            "days",
            dtype=pl.Int64,
            window=60,
            bounds=(0, LONGEST),
            sources=_SOURCES,
        ),
    ),
    function=filtered,
)
