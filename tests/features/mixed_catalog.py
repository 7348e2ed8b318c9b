"""A catalog that mixes all: a cross-section, a universe, a leader, several bars, settlements and a model of arrays."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from crypto_features.compute.cross import breadth, demean, rank
from crypto_features.tables.bars import Bars
from crypto_features.tables.by_month import by_month
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.derivative_rows import FUNDING
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel, Parameters
from crypto_features.tables.raw import RawTable
from crypto_features.tables.service import FeatureService
from crypto_features.tables.table import Join
from crypto_features.tables.training import TrainingSet
from crypto_features.tables.universe import universe
from tests.features.cross_catalog import against
from tests.features.other_catalog import blocks, momentum, trades
from tests.features.weekly_catalog import weeks

CLOSE = pl.col("close")
SHARES = (0.25, 0.5, 0.75)

days = Bars("days", of=trades, every="1d")
settlements = RawTable("settlements", "Settlements of funding.", rows=FUNDING, source="ccxt")
there = universe("there", bars=days)


def fit_grades(rows: pl.DataFrame, _month: str) -> Parameters:
    """The quartiles of all rises; zeros of none."""
    known = rows["rise"].drop_nulls()
    edges = np.quantile(known.to_numpy(), SHARES) if len(known) else np.zeros(len(SHARES))
    return {"edges": np.round(edges, 9), "rows": len(known)}


grades = FittedModel(
    "grades", of=momentum, features=("rise",), lookback="45d", fit=fit_grades, about={"features": ["rise"]}
)


def graded(inputs: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """The quarter of each rise among those before its month."""

    def read(rows: pl.DataFrame, parameters: Parameters) -> pl.DataFrame:
        places = pl.Series(np.searchsorted(parameters["edges"], rows["rise"].fill_null(0.0).to_numpy()))
        return rows.select("symbol", "event_timestamp", grade=places.cast(pl.Int64))

    return by_month(inputs["momentum"], inputs["grades"], read)


graded_rises = FeatureGroup(
    "graded_rises",
    "The quarter in which a rise is.",
    bars=momentum,
    joins=(Join(grades, "1d"),),
    ttl="8h",
    features=(
        Feature(
            "grade",
            None,
            "0 to 3.",
            "quarter",
            dtype=pl.Int64,
            window=7,
            sources=(("momentum", "rise"), ("grades", "parameters")),
        ),
    ),
    function=graded,
)
standing = FeatureGroup(
    "standing",
    "Each symbol among those that were there, by all that is known.",
    bars=blocks,
    across="symbols",
    ttl="8h",
    joins=(
        Join(momentum, "8h", at="close"),
        Join(against, "8h", at="close"),
        Join(graded_rises, "8h", at="close"),
        Join(there, "2d"),
        Join(weeks, "8d"),
        Join(settlements, "1d"),
    ),
    universe=pl.col("there.listed_days") >= 2,
    features=(
        Feature("rank_rise", rank("momentum.rise"), "Rank of the rise.", "0 to 1", bounds=(0, 1)),
        Feature("excess", demean("momentum.rise"), "Rise less the mean.", "ratio"),
        Feature("excess_beta", demean("against.beta"), "Beta less the mean.", "ratio"),
        Feature("excess_rate", demean("settlements.rate"), "Funding less the mean.", "share of the position"),
        Feature("excess_week", demean(CLOSE / pl.col("weeks.close")), "Over the week before, less the mean.", "ratio"),
        Feature("strong", breadth(pl.col("graded_rises.grade") > 1), "Share in the upper half.", "share"),
        Feature("traded", rank("there.quote_volume"), "Rank of what was traded.", "0 to 1"),
    ),
)
followers = FeatureGroup(
    "followers",
    "What was known of the cross-section when an hour began.",
    bars=trades,
    joins=(Join(standing, "1d"), Join(settlements, "1d")),
    features=(
        Feature("leads", pl.col("standing.excess") * CLOSE, "Excess · close.", "quote currency"),
        Feature("paid", pl.col("settlements.rate") * CLOSE, "Rate · close.", "quote currency"),
    ),
)
mixed_desk = FeatureService(
    "mixed_desk", "What the desk reads.", {"standing": ("excess", "strong"), "momentum": ("rise",)}
)
catalog = Catalog(followers, TrainingSet(mixed_desk, rows=days))
