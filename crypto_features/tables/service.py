"""Feature services: which features are read together, by whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FeatureService:
    """A named choice of features that a model or a bot reads together.

    Args:
        name: Name of the Feast feature service.
        description: Who reads it and what for.
        features: Feature names by group, in reading order.
        versions: Groups of which it keeps reading an older version, with the number that
            `feast feature-views list-versions` shows.
    """

    name: str
    description: str
    features: Mapping[str, tuple[str, ...]]
    versions: Mapping[str, int] = field(default_factory=dict)
