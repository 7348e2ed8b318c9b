"""What can go wrong for a reader of the online store, under the one base class of every error of this project.

An error names what was wrong and where, what was expected, and what to do next. Whether a retry can help is a type, so
nobody has to match strings: retry a `TransientError`, and correct the cause of a `PermanentError`.
"""

from collections.abc import Iterable


class CryptoFeaturesError(Exception):
    """Base of every error raised by this project."""


class TransientError(CryptoFeaturesError):
    """The same call may succeed later: a server that is away, a rate limit, a time-out."""


class PermanentError(CryptoFeaturesError):
    """The same call will fail again until its cause is corrected."""


class SettingsError(PermanentError, ValueError):
    """A setting has a value that the platform cannot work with."""


class UnknownNameError(PermanentError, LookupError):
    """A symbol, feature, view, service or table that does not exist was asked for.

    Args:
        kind: What was asked for, in the singular: `"feature view"`.
        name: The name that was not found.
        available: Every name that would have been found.
        hint: What to do next, if listing the available names is not enough.
    """

    def __init__(self, kind: str, name: str, available: Iterable[str], hint: str = "") -> None:
        from difflib import get_close_matches  # a bot whose names are right need not pay for it.

        self.kind, self.name, self.available = kind, name, sorted(available)
        close = get_close_matches(name, self.available, n=1)
        message = f"unknown {kind} {name!r}"
        if close:
            message += f" (did you mean {close[0]!r}?)"
        message += f"; available: {', '.join(self.available) or 'none'}"
        super().__init__(f"{message}. {hint}" if hint else message)


class InputError(PermanentError, ValueError):
    """A frame, file or argument handed in by the user does not have the expected form."""


class StoreUnreachableError(TransientError, ConnectionError):
    """The online store or the registry does not answer; the same call may succeed once its server is back."""


class StoreMisusedError(PermanentError, OSError):
    """The online store or the registry refuses this user or password, has no such database, or its file is none."""


class DamagedRowError(StoreMisusedError):
    """A stored online row is not the one that was written: a bit flipped on disk, or somebody changed it by hand."""


class EmptyStoreError(StoreMisusedError):
    """The online store has nothing of a view that was published to it: it was flushed, or replaced by an empty one."""


class OutdatedTableError(PermanentError, LookupError):
    """Some files or online rows of a view were written before a column was added, or with another type of it."""


class NotAppliedError(PermanentError, LookupError):
    """The registry knows nothing yet: `feast apply` has not been run on it."""


class PassportError(PermanentError, LookupError):
    """A model would be served other values than it was trained on, or its passport says nothing about them."""


class RedefinedWarning(UserWarning):
    """A feature is defined otherwise than when a model was trained, and behaves the same where it was probed."""


class OtherFormatError(PermanentError, RuntimeError):
    """The online store was published by a version of the platform that this reader can't read, or needs more of it."""
