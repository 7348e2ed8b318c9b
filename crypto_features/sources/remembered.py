"""What a candle file held when it was last opened, kept on disk: a run with nothing new opens no file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.sources.vendor import Choices, Span

_READER = 5
"""Raised when a file may be understood in another way than before."""


@dataclass(frozen=True)
class Remembered:
    """What a file holds.

    Args:
        spans: By symbol, as `VendorFile` tells them; empty if it cannot be read.
        error: Why it cannot be read; empty if it can.
        failed: Why each of its symbols whose candles cannot be read are not.
        passed_over: Why each of its markets that is not read is not, by its name in the file.
    """

    spans: Mapping[str, Span]
    error: str = ""
    failed: Mapping[str, str] = field(default_factory=dict)
    passed_over: Mapping[str, str] = field(default_factory=dict)


_KEPT = TypeAdapter(tuple[str, Remembered])
"""What is kept: of which state of the file, by which reader and choices, and what it held."""


def signature(path: Path) -> str:
    """Size and time of change of a file: while they stay the same, so does its content.

    Raises:
        InputError: if it cannot be looked at, or is a folder.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Correct that, or move it away.") from None
    if not path.is_file():
        raise InputError(f"{path} is not a file; move it away, or its files to the folder above.")
    return f"{status.st_size} bytes of {status.st_mtime_ns}, {status.st_ctime_ns}"


def recall(cache: UPath, path: Path, choices: Choices) -> Remembered | None:
    """What is remembered of a file as it is now; `None` if nothing is.

    Raises:
        InputError: if the file cannot be looked at.
    """
    key = _key(path, choices)
    try:
        of, found = _KEPT.validate_python(unsealed(_place(cache, path).read_bytes())["kept"])
    except (FileNotFoundError, ValueError, KeyError):
        return None  # never written, torn by a kill, or damaged: the file is opened again.
    return found if of == key else None


def remember(cache: UPath, path: Path, choices: Choices, found: Remembered) -> None:
    place = _place(cache, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(sealed({"kept": _KEPT.dump_python((_key(path, choices), found), mode="json")}))


def _place(cache: UPath, path: Path) -> UPath:
    return cache / f"{path.name}-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}.json"


def _key(path: Path, choices: Choices) -> str:
    return f"{_READER} {signature(path)} {choices}"
