"""The Python interface of the training pipeline and the trading bot.

Each process opens one Feast store, which all threads share. Naive datetimes are UTC.
"""

from crypto_features_reader.features import OnlineFeatures
from feature_repo.offline import (
    create_entity_df,
    get_regime_features,
    get_training_completeness,
    get_training_features,
)
from feature_repo.online import (
    get_online_features,
    get_online_features_async,
    materialize_features,
    validate_feature_freshness,
)
from feature_repo.watch import watch_online_features

__all__ = [
    "OnlineFeatures",
    "create_entity_df",
    "get_online_features",
    "get_online_features_async",
    "get_regime_features",
    "get_training_completeness",
    "get_training_features",
    "materialize_features",
    "validate_feature_freshness",
    "watch_online_features",
]
