"""Ring 2: the registry, point-in-time training sets and the guarded online store, behind Feast's own interfaces.

Importing this package imports neither Feast nor Dagster, each of which takes seconds; a name is loaded when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from crypto_features.errors import UnreadableTableError
from crypto_features.store.errors import (
    ConsumedError,
    EmptyStoreError,
    MissingTableError,
    NotAppliedError,
    OtherVersionError,
    OutdatedTableError,
    OutsideSpanWarning,
    PassportError,
    RedefinedWarning,
    StoreMisusedError,
    StoreUnreachableError,
    UnknownThenWarning,
)

if TYPE_CHECKING:
    from crypto_features.store.compare import Difference, ParityReport, parity
    from crypto_features.store.passport import Passport
    from crypto_features.store.publish_view import Published
    from crypto_features.store.resource import FeastResource

__all__ = [
    "ConsumedError",
    "Difference",
    "EmptyStoreError",
    "FeastResource",
    "MissingTableError",
    "NotAppliedError",
    "OtherVersionError",
    "OutdatedTableError",
    "OutsideSpanWarning",
    "ParityReport",
    "Passport",
    "PassportError",
    "Published",
    "RedefinedWarning",
    "StoreMisusedError",
    "StoreUnreachableError",
    "UnknownThenWarning",
    "UnreadableTableError",
    "parity",
]

_HOMES = {
    "Difference": "compare",
    "ParityReport": "compare",
    "Passport": "passport",
    "Published": "publish_view",
    "parity": "compare",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    home = _HOMES.get(name, "resource")
    found: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found
