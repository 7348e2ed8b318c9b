"""The shipped catalog, written as a user writes one: candles, their days, four groups, a model and three services.

The group `derivatives_features` is off until CRYPTO_FEATURES_DERIVATIVES_SOURCE names a source.
"""

from crypto_features.shipped.derivatives import derivatives, derivatives_features, funding
from crypto_features.shipped.market import candles, daily_candles
from crypto_features.shipped.price import price_features
from crypto_features.shipped.regime import regime_features, regime_model
from crypto_features.shipped.services import (
    ml_training_features,
    regime_classification_features,
    trading_features,
    training_set,
)
from crypto_features.shipped.signals import trading_signals
from crypto_features.shipped.volume import volume_features
from crypto_features.tables.catalog import Catalog

__all__ = [
    "candles",
    "catalog",
    "daily_candles",
    "derivatives",
    "derivatives_features",
    "funding",
    "ml_training_features",
    "price_features",
    "regime_classification_features",
    "regime_features",
    "regime_model",
    "trading_features",
    "trading_signals",
    "training_set",
    "volume_features",
]

catalog = Catalog(
    price_features,
    volume_features,
    regime_features,
    trading_signals,
    trading_features,
    regime_classification_features,
    training_set,
    optional=(derivatives_features,),
)
