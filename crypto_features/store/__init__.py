"""Ring 2: the registry, point-in-time training sets and the guarded online store, behind Feast's own interfaces.

Importing this package does not import Feast, which takes seconds.
"""

from crypto_features.store.errors import (
    MissingTableError,
    NotAppliedError,
    StoreUnreachableError,
    UnreadableTableError,
)
from crypto_features.store.resource import AppliedRegistry, FeastResource, Published

__all__ = [
    "AppliedRegistry",
    "FeastResource",
    "MissingTableError",
    "NotAppliedError",
    "Published",
    "StoreUnreachableError",
    "UnreadableTableError",
]
