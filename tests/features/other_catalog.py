"""A project's own catalog: no table, name, bar or model of it is one of those that ship."""

from collections.abc import Mapping

import polars as pl

from crypto_features.compute.windows import window_mean
from crypto_features.errors import InputError
from crypto_features.tables.artefact import opened
from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import NOT_NEGATIVE, Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel, Parameters
from crypto_features.tables.months import MONTH
from crypto_features.tables.raw import RawTable
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join
from crypto_features.tables.training import TrainingSet

CLOSE, HIGH, LOW = pl.col("close"), pl.col("high"), pl.col("low")
FEWEST = 10
"""Rises from which their deviation is believed."""

trades = RawTable("trades", "Hourly candles.")
blocks = Bars("blocks", of=trades, every="4h", description="Candles of four hours.")
momentum = FeatureGroup(
    "momentum",
    "How a price moved over some blocks.",
    bars=blocks,
    ttl="8h",
    features=(
        Feature("rise", CLOSE / CLOSE.shift(6) - 1, "Close over the close six blocks earlier, − 1.", "ratio", window=7),
        Feature(
            "mean_range",
            window_mean((HIGH - LOW) / CLOSE, 12),
            "Mean range of twelve blocks, of the close.",
            "ratio",
            window=12,
            bounds=NOT_NEGATIVE,
        ),
        Feature("steadiness", pl.col("rise") / pl.col("mean_range"), "rise / mean_range.", "ratio", window=12),
    ),
)


def fit_rises(rows: pl.DataFrame, _month: str) -> Parameters:
    """Mean and sample deviation of all rises; 0 and 1 of few."""
    known = rows.drop_nulls()
    if known.height < FEWEST:
        return {"mean": 0.0, "deviation": 1.0}
    mean, deviation = known.select(mean=pl.col("rise").mean(), deviation=pl.col("rise").std()).row(0)
    return {"mean": float(f"{mean:.9g}"), "deviation": float(f"{deviation:.9g}")}


rises = FittedModel(
    "rises", of=momentum, features=("rise",), lookback="45d", fit=fit_rises, about={"features": ["rise"]}
)


def scored(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Each rise by the parameters of its own month."""
    rows = inputs["momentum"].with_columns(month=MONTH)
    fitted = [
        (month, *(opened(text).parameters[name] for name in ("mean", "deviation")))
        for month, text in inputs["rises"].select("month", "parameters").iter_rows()
    ]
    schema = {"month": pl.String, "mean": pl.Float64, "deviation": pl.Float64}
    parameters = pl.DataFrame(fitted, schema, orient="row")
    if missing := {*rows["month"]} - {*parameters["month"]}:
        raise InputError(f"rises has no parameters for {', '.join(sorted(missing))}; materialize it first.")
    joined = rows.join(parameters, on="month", how="left", maintain_order="left")
    score = (pl.col("rise") - pl.col("mean")) / pl.col("deviation")
    return joined.select("symbol", "event_timestamp", score=score, unusual=(score.abs() > 1).cast(pl.Int64))


_SCORED = (("momentum", "rise"), ("rises", "parameters"))
scores = FeatureGroup(
    "scores",
    "How unusual a rise is.",
    bars=momentum,
    joins=(Join(rises, "1d"),),
    ttl="1d",
    features=(
        Feature("score", None, "Deviations from the mean of then.", "deviations", window=7, sources=_SCORED),
        Feature("unusual", None, "1 beyond one deviation.", "0 or 1", dtype=pl.Int64, window=7, sources=_SCORED),
    ),
    function=scored,
)
entries = FeatureGroup(
    "entries",
    "Where each candle stands against the blocks before it.",
    bars=trades,
    joins=(
        Join(blocks, "3d", columns={"top": HIGH.rolling_max(3)}),
        Join(momentum, "2d"),
        Join(scores, "2d"),
    ),
    features=(
        Feature("above", CLOSE / pl.col("blocks.top") - 1, "Close over the high of three blocks, − 1.", "ratio"),
        Feature("steady", pl.col("momentum.steadiness") * CLOSE, "steadiness · close.", "quote currency"),
        Feature("calm", pl.col("scores.unusual") < 1, "Whether the last rise was usual.", "truth", dtype=pl.Boolean),
    ),
)
desk_features = FeatureService(
    "desk_features", "What the desk reads.", {"momentum": ("rise", "steadiness"), "scores": ("score",)}
)
training = TrainingSet(desk_features, rows=blocks)
catalog = Catalog(entries, training)
