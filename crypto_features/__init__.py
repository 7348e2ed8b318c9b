"""Candles to leak-tested features, training sets and a guarded online store: `import crypto_features as cf`.

Everything that a user imports is here. A name is loaded when it is used: importing this package takes milliseconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crypto_features.compute.cross import breadth, demean, dispersion, rank, share, zscore
    from crypto_features.compute.indicators import (
        CLOSE,
        HIGH,
        LOW,
        OPEN,
        VOLUME,
        adx,
        atr,
        bollinger_width,
        chaikin_money_flow,
        ema,
        macd,
        macd_diff,
        money_flow_index,
        price_return,
        rsi,
        stochastic,
        true_range,
        typical_price,
        volatility,
        wilder,
    )
    from crypto_features.compute.pairs import beta, window_correlation, window_covariance
    from crypto_features.compute.ta_adapter import ta_indicator
    from crypto_features.compute.windows import window_deviation, window_max, window_mean, window_min, window_sum
    from crypto_features.errors import (
        CryptoFeaturesError,
        InputError,
        PermanentError,
        SettingsError,
        TransientError,
        UnknownNameError,
    )
    from crypto_features.leak import Leak, LeakReport, leak_test
    from crypto_features.store import ConsumedError, ParityReport, parity
    from crypto_features.tables.bars import Bars
    from crypto_features.tables.borrowed import Borrowed
    from crypto_features.tables.by_month import by_month
    from crypto_features.tables.catalog import Catalog
    from crypto_features.tables.derivative_rows import DERIVATIVES, FUNDING
    from crypto_features.tables.feature import NOT_NEGATIVE, POSITIVE, Feature
    from crypto_features.tables.group import FeatureGroup
    from crypto_features.tables.model import FittedModel, Parameters
    from crypto_features.tables.raw import RawTable
    from crypto_features.tables.raw_rows import Column, RawRows
    from crypto_features.tables.service import FeatureService
    from crypto_features.tables.table import Join
    from crypto_features.tables.training import TrainingSet
    from crypto_features.tables.universe import universe
    from feature_repo import (
        OnlineFeatures,
        create_entity_df,
        get_online_features,
        get_online_features_async,
        get_training_completeness,
        get_training_features,
        materialize_features,
        validate_feature_freshness,
    )

_HOMES = {
    "crypto_features.compute.cross": ("breadth", "demean", "dispersion", "rank", "share", "zscore"),
    "crypto_features.compute.indicators": (
        *(
            "CLOSE",
            "HIGH",
            "LOW",
            "OPEN",
            "VOLUME",
            "adx",
            "atr",
            "bollinger_width",
            "chaikin_money_flow",
            "ema",
            "macd",
        ),
        *(
            "macd_diff",
            "money_flow_index",
            "price_return",
            "rsi",
            "stochastic",
            "true_range",
            "typical_price",
            "volatility",
            "wilder",
        ),
    ),
    "crypto_features.compute.pairs": ("beta", "window_correlation", "window_covariance"),
    "crypto_features.compute.ta_adapter": ("ta_indicator",),
    "crypto_features.compute.windows": ("window_deviation", "window_max", "window_mean", "window_min", "window_sum"),
    "crypto_features.errors": (
        *("CryptoFeaturesError", "InputError", "PermanentError", "SettingsError", "TransientError", "UnknownNameError"),
    ),
    "crypto_features.leak": ("Leak", "LeakReport", "leak_test"),
    "crypto_features.store": ("ConsumedError", "ParityReport", "parity"),
    "crypto_features.tables.bars": ("Bars",),
    "crypto_features.tables.borrowed": ("Borrowed",),
    "crypto_features.tables.by_month": ("by_month",),
    "crypto_features.tables.catalog": ("Catalog",),
    "crypto_features.tables.derivative_rows": ("DERIVATIVES", "FUNDING"),
    "crypto_features.tables.feature": ("NOT_NEGATIVE", "POSITIVE", "Feature"),
    "crypto_features.tables.group": ("FeatureGroup",),
    "crypto_features.tables.model": ("FittedModel", "Parameters"),
    "crypto_features.tables.raw": ("RawTable",),
    "crypto_features.tables.raw_rows": ("Column", "RawRows"),
    "crypto_features.tables.service": ("FeatureService",),
    "crypto_features.tables.table": ("Join",),
    "crypto_features.tables.training": ("TrainingSet",),
    "crypto_features.tables.universe": ("universe",),
    "feature_repo": (
        *("OnlineFeatures", "create_entity_df", "get_online_features", "get_online_features_async"),
        *("get_training_completeness", "get_training_features", "materialize_features", "validate_feature_freshness"),
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CLOSE",
    "DERIVATIVES",
    "FUNDING",
    "HIGH",
    "LOW",
    "NOT_NEGATIVE",
    "OPEN",
    "POSITIVE",
    "VOLUME",
    "Bars",
    "Borrowed",
    "Catalog",
    "Column",
    "ConsumedError",
    "CryptoFeaturesError",
    "Feature",
    "FeatureGroup",
    "FeatureService",
    "FittedModel",
    "InputError",
    "Join",
    "Leak",
    "LeakReport",
    "OnlineFeatures",
    "Parameters",
    "ParityReport",
    "PermanentError",
    "RawRows",
    "RawTable",
    "SettingsError",
    "TrainingSet",
    "TransientError",
    "UnknownNameError",
    "adx",
    "atr",
    "beta",
    "bollinger_width",
    "breadth",
    "by_month",
    "chaikin_money_flow",
    "create_entity_df",
    "demean",
    "dispersion",
    "ema",
    "get_online_features",
    "get_online_features_async",
    "get_training_completeness",
    "get_training_features",
    "leak_test",
    "macd",
    "macd_diff",
    "materialize_features",
    "money_flow_index",
    "parity",
    "price_return",
    "rank",
    "rsi",
    "share",
    "stochastic",
    "ta_indicator",
    "true_range",
    "typical_price",
    "universe",
    "validate_feature_freshness",
    "volatility",
    "wilder",
    "window_correlation",
    "window_covariance",
    "window_deviation",
    "window_max",
    "window_mean",
    "window_min",
    "window_sum",
    "zscore",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
