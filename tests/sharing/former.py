"""The owner's catalogs with a model that is trained, then a feature that changes, then its former definition beside."""

from dataclasses import replace

from crypto_features.tables.catalog import Catalog
from crypto_features.tables.service import FeatureService
from crypto_features.tables.training import TrainingSet

from .owner import daily_candles, price_features, upgraded

signals = FeatureService("signals", "What the model reads.", {"price_features": ("return_20d", "rsi_14")})
trained = Catalog(TrainingSet(signals, rows=daily_candles), price_features)
changed = Catalog(upgraded, TrainingSet(signals, rows=daily_candles))
pinning = FeatureService("pinning", "What an old bot reads.", signals.features, {"price_features": 0})
beside = Catalog(changed, pinning, replace(price_features, name="price_features_v0"))
