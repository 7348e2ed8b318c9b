"""How a plain `feast` command ends an expected error: with one line, as the commands of `crypto-features` do."""

import sys
from pathlib import Path
from types import TracebackType

from crypto_features.errors import CryptoFeaturesError


def end_in_one_line() -> None:
    """If this process is a `feast` command, print what a person can correct without Feast's calls around it."""
    if Path(sys.argv[0]).stem == "feast":
        sys.excepthook = _said


def _said(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, CryptoFeaturesError):
        sys.stderr.write(f"Error: {error}\n")
    else:
        sys.__excepthook__(kind, error, trace)
