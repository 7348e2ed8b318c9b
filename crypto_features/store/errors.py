"""What can go wrong between a feature table and its reader."""

from crypto_features.errors import PermanentError
from crypto_features_reader.errors import (
    DamagedRowError,
    EmptyStoreError,
    NotAppliedError,
    OutdatedTableError,
    PassportError,
    RedefinedWarning,
    StoreMisusedError,
    StoreUnreachableError,
)

__all__ = [
    "ConsumedError",
    "DamagedRowError",
    "EmptyStoreError",
    "FencedError",
    "MissingTableError",
    "NotAppliedError",
    "OtherVersionError",
    "OutdatedTableError",
    "OutsideSpanWarning",
    "PassportError",
    "RedefinedWarning",
    "StoreMisusedError",
    "StoreUnreachableError",
    "UnknownThenWarning",
]


class FencedError(PermanentError, RuntimeError):
    """A later writer of the same name was begun while this one was stopped: it must not publish any more.

    Args:
        name: What both write for.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another process has begun to publish as {name} while this one was stopped; it goes on, and nothing was "
            "published here. End this process."
        )


class MissingTableError(PermanentError, FileNotFoundError):
    """A feature view's source has no Parquet file yet."""


class OtherVersionError(PermanentError, LookupError):
    """The table of a feature view was computed otherwise than the version of it that was asked for describes."""


class ConsumedError(PermanentError, RuntimeError):
    """What would be removed is read by another project."""


class OutsideSpanWarning(UserWarning):
    """A training set holds no value at all: no entity row lies where the tables have rows that were fresh then."""


class UnknownThenWarning(UserWarning):
    """Rows of a training set have no value because what they are joined with was known later only."""
