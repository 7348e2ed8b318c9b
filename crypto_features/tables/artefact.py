"""The artefact of a fitted model: its parameters as a text, with their version and where they came from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from crypto_features.errors import InputError
from crypto_features.sealed_json import CHECKSUM
from crypto_features.tables.array_bytes import array_of, as_text, bytes_of, digest_of, from_text

ABOUT = ("labels", "features")
"""What an artefact may say beside the parameters, for a person who reads it; no part of its version."""
ARRAYS = "arrays"
"""What an artefact calls its arrays: by name the content of a `.npy` file, as a text."""
_RESERVED = frozenset({"version", "notes", ARRAYS, CHECKSUM, *ABOUT})


@dataclass(frozen=True)
class Artefact:
    """The parameters of one month, their version, what they are about, and the notes of the run that published them."""

    version: str
    parameters: Mapping[str, Any]
    about: Mapping[str, Any]
    notes: Mapping[str, str]


def version_of(parameters: Mapping[str, Any]) -> str:
    """Digest of parameters, with the bytes of their arrays."""
    return _version(*_apart(parameters))


def written(parameters: Mapping[str, Any], about: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> str:
    """The artefact as a text: the same parameters and notes give the same text.

    Raises:
        InputError: if a parameter has a name that the artefact needs, or an array cannot be a `.npy` file.
    """
    if taken := sorted(_RESERVED & parameters.keys()):
        raise InputError(
            f"a fit gave parameters named {', '.join(taken)}, which the artefact needs itself; name them otherwise."
        )
    plain, files = _apart(parameters)
    arrays = {ARRAYS: {name: as_text(file) for name, file in files.items()}} if files else {}
    return as_json({"version": _version(plain, files), **about, **plain, **arrays, "notes": dict(notes or {})})


def as_json(content: Mapping[str, Any]) -> str:
    """An artefact's content as a text that a person can read."""
    return json.dumps(content, indent=1) + "\n"


@lru_cache(maxsize=256)
def opened(text: str) -> Artefact:
    """The artefact of a text; its arrays cannot be written to.

    Raises:
        InputError: if it is not one, or was edited since it was fitted.
    """
    try:
        content = json.loads(text)
        version, notes = content.pop("version"), content.pop("notes", {})
        files = {name: from_text(part) for name, part in content.pop(ARRAYS, {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"not a fitted model: {error!r}; materialize it again.") from None
    about = {name: content.pop(name) for name in ABOUT if name in content}
    found = _version(content, files)
    if found != version:
        raise InputError(
            f"the fitted model says version {version}, its parameters are {found}: it was edited; materialize it again."
        )
    return Artefact(version, content | {name: array_of(file) for name, file in files.items()}, about, notes)


def _apart(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What JSON holds, and the arrays as bytes of `.npy` files."""
    files = {name: bytes_of(name, value) for name, value in parameters.items() if isinstance(value, np.ndarray)}
    return {name: value for name, value in parameters.items() if name not in files}, files


def _version(plain: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    arrays = {ARRAYS: {name: digest_of(file) for name, file in files.items()}} if files else {}
    return hashlib.blake2b(json.dumps({**plain, **arrays}).encode(), digest_size=6).hexdigest()
