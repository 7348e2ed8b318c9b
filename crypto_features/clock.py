"""The one clock, which the reader of the online store has, too: no other module asks the machine for the time."""

from crypto_features_reader.clock import FIRST_YEAR, LAST_YEAR, VARIABLE, as_utc, before, is_stopped, now

__all__ = [
    "FIRST_YEAR",
    "LAST_YEAR",
    "VARIABLE",
    "as_utc",
    "before",
    "is_stopped",
    "now",
]
