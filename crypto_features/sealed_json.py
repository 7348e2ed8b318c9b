"""JSON with a checksum of its content, so that a bit that rots in a note, a mark or a model is found."""

import json
from collections.abc import Mapping
from typing import Any

import xxhash

CHECKSUM = "checksum"
"""Under this name the content keeps it."""


def sealed(content: Mapping[str, Any], indent: int | None = None) -> str:
    """A text of the content with its checksum; equal content in equal order gives an equal text."""
    return json.dumps({**content, CHECKSUM: _checksum(content)}, indent=indent) + "\n"


def unsealed(text: str | bytes) -> dict[str, Any]:
    """The content of such a text. One without a checksum, which nobody sealed, is taken as it is.

    Raises:
        ValueError: if it is not the content that was written.
    """
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"it is not an object but a {type(content).__name__}")  # noqa: TRY004 - of a file's content.
    noted = content.pop(CHECKSUM, None)
    if noted is not None and noted != _checksum(content):
        raise ValueError("its content is not what was written")
    return content


def _checksum(content: Mapping[str, Any]) -> str:
    return xxhash.xxh3_64_hexdigest(json.dumps(content).encode())
