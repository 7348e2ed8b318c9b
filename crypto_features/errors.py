"""Every error this project raises on purpose, under one base class.

An error names what was wrong and where, what was expected, and what to do next. Whether a retry can help is a type, so
nobody has to match strings: retry a `TransientError`, and correct the cause of a `PermanentError`.
"""

from crypto_features_reader.errors import (
    CryptoFeaturesError,
    InputError,
    PermanentError,
    SettingsError,
    TransientError,
    UnknownNameError,
)

__all__ = [
    "CryptoFeaturesError",
    "InputError",
    "PermanentError",
    "SettingsError",
    "TransientError",
    "UnknownNameError",
    "UnreadableTableError",
]


class UnreadableTableError(InputError, OSError):
    """A Parquet file of a table is truncated, damaged inside, or is not one; or a note beside the tables is damaged."""
