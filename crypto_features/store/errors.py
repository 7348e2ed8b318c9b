"""What can go wrong between a feature table and its reader."""

from crypto_features.errors import PermanentError, TransientError


class StoreUnreachableError(TransientError, ConnectionError):
    """The online store or the registry does not answer; the same call may succeed once its server is back."""


class StoreMisusedError(PermanentError, OSError):
    """The online store or the registry refuses this user or password, has no such database, or its file is none."""


class DamagedRowError(StoreMisusedError):
    """A stored online row is not the one that was written: a bit flipped on disk, or somebody changed it by hand."""


class EmptyStoreError(StoreMisusedError):
    """The online store has nothing of a view that was published to it: it was flushed, or replaced by an empty one."""


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


class OutdatedTableError(PermanentError, LookupError):
    """Some files or online rows of a view were written before a column was added, or with another type of it."""


class OtherVersionError(PermanentError, LookupError):
    """The table of a feature view was computed otherwise than the version of it that was asked for describes."""


class NotAppliedError(PermanentError, LookupError):
    """The registry knows nothing yet: `feast apply` has not been run on it."""


class ConsumedError(PermanentError, RuntimeError):
    """What would be removed is read by another project."""


class PassportError(PermanentError, LookupError):
    """A model would be served other values than it was trained on, or its passport says nothing about them."""


class OutsideSpanWarning(UserWarning):
    """A training set holds no value at all: no entity row lies where the tables have rows that were fresh then."""


class UnknownThenWarning(UserWarning):
    """Rows of a training set have no value because what they are joined with was known later only."""


class RedefinedWarning(UserWarning):
    """A feature is defined otherwise than when a model was trained, and behaves the same where it was probed."""
