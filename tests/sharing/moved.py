"""The desk's catalog once its pin is moved to the owner's newer version."""

from dataclasses import replace

from my_desk import daily_candles, momentum, momentum_features, price_features

from crypto_features.tables.catalog import Catalog
from crypto_features.tables.table import Join
from crypto_features.tables.training import TrainingSet

newer = replace(price_features, version=1)
catalog = Catalog(
    replace(momentum, joins=[Join(newer, "3d")]),
    TrainingSet(momentum_features, rows=daily_candles),
    project="my_desk",
)
