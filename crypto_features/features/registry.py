"""Every feature group and service there is, upstream first."""

from collections.abc import Mapping
from types import MappingProxyType

from crypto_features.features.declaration import FeatureGroup
from crypto_features.features.groups.price import price_features
from crypto_features.features.groups.volume import volume_features

GROUPS: Mapping[str, FeatureGroup] = MappingProxyType({g.name: g for g in (price_features, volume_features)})
