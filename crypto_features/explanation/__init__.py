"""One value explained: where it is stored, what it was computed from, and what is wrong with it."""

from crypto_features.explanation.facts import (
    Cause,
    Change,
    Explanation,
    Finding,
    Fit,
    Online,
    Publisher,
    Run,
    Verdict,
    Version,
)
from crypto_features.explanation.value import explain

__all__ = [
    "Cause",
    "Change",
    "Explanation",
    "Finding",
    "Fit",
    "Online",
    "Publisher",
    "Run",
    "Verdict",
    "Version",
    "explain",
]
