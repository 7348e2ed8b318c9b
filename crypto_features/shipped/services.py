"""Which features are read together, by whom."""

from crypto_features.shipped.market import daily_candles
from crypto_features.shipped.regime_model import ULTRA_5
from crypto_features.tables.service import FeatureService
from crypto_features.tables.training import TrainingSet

_FIVE = f"the Ultra-5, which are {', '.join(ULTRA_5[:-1])} and {ULTRA_5[-1]}"

ml_training_features = FeatureService(
    "ml_training_features",
    f"Training sets of return models: relative volume and {_FIVE}.",
    {"price_features": ULTRA_5, "volume_features": ("volume_ratio",)},
)
trading_features = FeatureService(
    "trading_features",
    "What the trading bot reads on each bar: signals, regime, trend and relative volume.",
    {
        "trading_signals": ("target_price", "can_buy", "should_sell", "signal_strength"),
        "regime_features": ("regime_label", "regime_probability"),
        "price_features": ("ma_5_20_ratio", "rsi_14", "atr_ratio"),
        "volume_features": ("volume_ratio",),
    },
)
regime_classification_features = FeatureService(
    "regime_classification_features",
    f"What the regime model reads: {_FIVE}.",
    {"price_features": ULTRA_5},
)
training_set = TrainingSet(ml_training_features, rows=daily_candles)
