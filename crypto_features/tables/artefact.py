"""The artefact of a fitted model: its parameters as JSON, with their version and where they came from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from crypto_features.errors import InputError

ABOUT = ("labels", "features")
"""What an artefact may say beside the parameters, for a person who reads it; no part of its version."""


@dataclass(frozen=True)
class Artefact:
    """The parameters of one month, their version, what they are about, and the notes of the run that published them."""

    version: str
    parameters: Mapping[str, Any]
    about: Mapping[str, Any]
    notes: Mapping[str, str]


def version_of(parameters: Mapping[str, Any]) -> str:
    """Digest of parameters."""
    return hashlib.blake2b(json.dumps(dict(parameters)).encode(), digest_size=6).hexdigest()


def written(parameters: Mapping[str, Any], about: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> str:
    """The artefact as a text: the same parameters and notes give the same text."""
    content = {"version": version_of(parameters), **about, **parameters, "notes": dict(notes or {})}
    return json.dumps(content, indent=1) + "\n"


@lru_cache(maxsize=256)
def opened(text: str) -> Artefact:
    """The artefact of a text.

    Raises:
        InputError: if it is not one, or was edited since it was fitted.
    """
    try:
        content = json.loads(text)
        version, notes = content.pop("version"), content.pop("notes", {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"not a fitted model: {error!r}; materialize it again.") from None
    about = {name: content.pop(name) for name in ABOUT if name in content}
    found = version_of(content)
    if found != version:
        raise InputError(
            f"the fitted model says version {version}, its parameters are {found}: it was edited; materialize it again."
        )
    return Artefact(version, content, about, notes)
