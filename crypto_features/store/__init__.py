"""Ring 2: the registry, point-in-time training sets and the guarded online store, behind Feast's own interfaces.

Importing this package does not import Feast, which takes seconds.
"""

from crypto_features.store.errors import (
    MissingTableError,
    NotAppliedError,
    StoreUnreachableError,
    UnreadableTableError,
)
from crypto_features.store.parity import Difference, ParityReport, parity
from crypto_features.store.resource import AppliedRegistry, FeastResource, Published

__all__ = [
    "AppliedRegistry",
    "Difference",
    "FeastResource",
    "MissingTableError",
    "NotAppliedError",
    "ParityReport",
    "Published",
    "StoreUnreachableError",
    "UnreadableTableError",
    "parity",
]
