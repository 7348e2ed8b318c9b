"""A small catalog for what is struck: a bar, a group, a model with an array, a training set; and what was before it."""

import numpy as np
import polars as pl

from crypto_features.tables.bars import Bars
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.feature import Feature
from crypto_features.tables.group import FeatureGroup
from crypto_features.tables.model import FittedModel, Parameters
from crypto_features.tables.raw import RawTable
from crypto_features.tables.service import FeatureService
from crypto_features.tables.training import TrainingSet

candles = RawTable("candles", "Hourly candles.")
blocks = Bars("blocks", of=candles, every="4h", description="Candles of four hours.")
RISE = Feature("rise", pl.col("close") / pl.col("close").shift(1) - 1, "Close over the last, − 1.", "ratio", window=2)
FALL = Feature("fall", -pl.col("rise"), "The other way round.", "ratio", window=2)


def moves(*features: Feature) -> FeatureGroup:
    """How a price moved."""
    return FeatureGroup("moves", "How a price moved.", bars=blocks, ttl="8h", features=features)


def quantiles(rows: pl.DataFrame, _month: str) -> Parameters:
    """Ten quantiles of all rises; zeros of none."""
    known = rows["rise"].drop_nulls()
    return {
        "rows": known.len(),
        "quantiles": np.quantile(known, np.linspace(0, 1, 10)) if known.len() else np.zeros(10),
    }


group = moves(RISE, FALL)
model = FittedModel("quantiles", of=group, features=("rise",), lookback="31d", fit=quantiles)
service = FeatureService("desk", "What the desk reads.", {"moves": ("rise", "fall")})
training = TrainingSet(service, rows=blocks)
catalog = Catalog(group, model, training)
tables = Catalog(group)
before = Catalog(moves(RISE))
