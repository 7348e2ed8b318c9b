"""Whether the newest values of a table are distributed as its values before."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
import polars as pl

from crypto_features import plots
from crypto_features.graph.checks.finding import Finding, rows
from crypto_features.graph.inline import inline
from crypto_features.lake.table import Table
from crypto_features.tables.drift import Drift, forecast_by, watched, watched_columns, watched_fit
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel
from crypto_features.tables.training import TrainingSet
from crypto_features.training.drift import by_feature, drift
from crypto_features.training.folder import SetFolder
from crypto_features.training.newest import newest_of_set, newest_rows

NAMED = 5
"""How many of the features and symbols that drifted the sentence names."""
TODO = (
    "compare the picture with the candles: a change of the source or of its units shows in all features of a symbol, a "
    "change of the market in all symbols. Then look at what reads {name}: a model may need to be fitted again. Nothing "
    "is held back."
)


def undrifted(table: Table, group: FeatureGroup, interval: timedelta) -> Finding:
    """No feature of a symbol stands out among all that are watched.

    Args:
        table: The group's table.
        group: The declaration.
        interval: Length of a base candle.
    """
    how, names = group.drift or Drift(), watched(group)
    models = forecast_by(group)
    what = f"watched forecasts of {' and '.join(models)}" if models else "watched features"
    values = newest_rows(table, how.history * group.bar(interval), names)
    return _judged(values, names, how, what, TODO.format(name=group.name))


def fit_undrifted(table: Table, model: FittedModel, interval: timedelta) -> Finding:
    """Nothing that a model is fitted on stands out.

    Args:
        table: The table of the group whose rows are fitted.
        model: The declaration.
        interval: Length of a base candle.
    """
    how, names = model.of.drift or Drift(), watched_fit(model)
    values = newest_rows(table, how.history * model.bar(interval), names)
    what = f"features of {model.of.name} that {model.name} is fitted on"
    return _judged(values, names, how, what, TODO.format(name=model.name))


def set_undrifted(folder: SetFolder, training: TrainingSet) -> Finding:
    """The label of a set that was built does not stand out.

    Args:
        folder: The set.
        training: Its declaration.
    """
    how, names = training.drift or Drift(), watched_columns(training)
    values = newest_of_set(folder, how.history, names)
    todo = (
        "compare the picture with the candles: does the market move otherwise, or a source? A model that is trained on "
        f"{training.name} learns mostly from labels as they were before. Nothing is held back."
    )
    what = "watched columns" if training.drift and training.drift.features else "labels"
    return _judged(values, names, how, what, todo)


def _judged(values: pl.DataFrame, names: Sequence[str], how: Drift, what: str, todo: str) -> Finding:
    found = drift(values, names, how)
    unusual = found.filter("unusual").sort("p", "feature", "symbol")
    drifted = unusual.filter("drifted")
    first = [f"{feature} of {symbol}" for feature, symbol in drifted.select("feature", "symbol").iter_rows()]
    more = f" and {len(first) - NAMED} more" if len(first) > NAMED else ""
    chance = how.level * found.height
    said = f"{', '.join(first[:NAMED])}{more} drifted." if first else "None stands out."
    return Finding(
        passed=not first,
        text=f"{unusual.height} of {found.height} {what} by symbol are unusual in their newest {how.window} "
        f"values, where chance gives {chance:.1f}. {said}",
        todo=todo,
        facts={
            "by feature": rows(by_feature(found)),
            "unusual": rows(unusual),
            "memory in values": dg.MetadataValue.json(
                dict(found.select("feature", pl.col("memory").round(1)).iter_rows())
            ),
            "picture": inline(plots.drift_map(found), "how unusual the newest values are"),
        }
        if found.height
        else {},
    )
