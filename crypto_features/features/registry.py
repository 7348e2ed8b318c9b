"""Every feature group and service there is; a group comes after those that it reads.

To add a group or a service, import it here and name it below: its table, view, asset and checks follow.
"""

from collections.abc import Mapping
from types import MappingProxyType

from crypto_features.features.declaration import FeatureGroup, FeatureService
from crypto_features.features.groups.price import price_features
from crypto_features.features.groups.regime import regime_features
from crypto_features.features.groups.signals import trading_signals
from crypto_features.features.groups.volume import volume_features
from crypto_features.features.names import check_names
from crypto_features.features.regime_model import ULTRA_5
from crypto_features.features.services import (
    ml_training_features,
    regime_classification_features,
    trading_features,
)

GROUPS: Mapping[str, FeatureGroup] = MappingProxyType(
    {group.name: group for group in (price_features, volume_features, regime_features, trading_signals)}
)
SERVICES: Mapping[str, FeatureService] = MappingProxyType(
    {s.name: s for s in (ml_training_features, trading_features, regime_classification_features)}
)
check_names(GROUPS, SERVICES.values(), (price_features.name, ULTRA_5))
