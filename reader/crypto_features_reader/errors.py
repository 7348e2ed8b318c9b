"""Every error this project raises on purpose, under one base class.

An error names what was wrong and where, what was expected, and what to do next. Whether a retry can help is a type, so
nobody has to match strings: retry a `TransientError`, and correct the cause of a `PermanentError`.
"""

from collections.abc import Iterable
from difflib import get_close_matches


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
        self.kind, self.name, self.available = kind, name, sorted(available)
        close = get_close_matches(name, self.available, n=1)
        message = f"unknown {kind} {name!r}"
        if close:
            message += f" (did you mean {close[0]!r}?)"
        message += f"; available: {', '.join(self.available) or 'none'}"
        super().__init__(f"{message}. {hint}" if hint else message)


class InputError(PermanentError, ValueError):
    """A frame, file or argument handed in by the user does not have the expected form."""


class UnreadableTableError(InputError, OSError):
    """A Parquet file of a table is truncated, damaged inside, or is not one; or a note beside the tables is damaged."""
