"""Every feature group and service there is; a group comes after those that it reads.

To add a group or a service, import it here and name it below: its table, view, asset and checks follow.
"""

from collections.abc import Mapping
from types import MappingProxyType

from crypto_features.shipped.price import price_features
from crypto_features.shipped.regime import regime_features
from crypto_features.shipped.regime_model import ULTRA_5
from crypto_features.shipped.services import ml_training_features, regime_classification_features, trading_features
from crypto_features.shipped.signals import trading_signals
from crypto_features.shipped.volume import volume_features
from crypto_features.tables.declaration import FeatureGroup, FeatureService
from crypto_features.tables.names import check_names

GROUPS: Mapping[str, FeatureGroup] = MappingProxyType(
    {group.name: group for group in (price_features, volume_features, regime_features, trading_signals)}
)
SERVICES: Mapping[str, FeatureService] = MappingProxyType(
    {s.name: s for s in (ml_training_features, trading_features, regime_classification_features)}
)
check_names(GROUPS, SERVICES.values(), (price_features.name, ULTRA_5))
