"""The folder of a backup: the files of a data folder, and the manifest, which is written last.

A folder without a manifest is not a backup: it was interrupted.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from crypto_features.errors import InputError
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.whole_file import whole_file

MANIFEST = "manifest.json"
FILES = "files"
"""Below it the files are as they were in the data folder."""
FORMAT = 1
_SHOWN = 3
_BLOCK = 1 << 20


class Copied(NamedTuple):
    """Size and SHA-256 of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    Args:
        begun_at: When it was begun, UTC, as ISO 8601. Nothing in it is older than then.
        version: Of crypto-features.
        data: The data folder.
        store: `CRYPTO_FEATURES_STORE`.
        files: By its path in the data folder, each file in the order in which they were copied.
    """

    begun_at: str
    version: str
    data: str
    store: str
    files: Mapping[str, Copied]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(copied.bytes for copied in self.files.values())


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, after which the folder is a backup."""
    with whole_file(folder / MANIFEST) as file:
        file.write(sealed({"format": FORMAT, **asdict(manifest)}, indent=1).encode())


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        InputError: if the folder is not a whole backup, or its manifest is damaged or of another format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        interrupted = (folder / FILES).is_dir()
        what = f"is not a whole backup: it was interrupted before {MANIFEST}" if interrupted else "is not a backup"
        raise InputError(f"{folder} {what}; name a folder that `crypto-features backup` finished.")
    try:
        found = unsealed(path.read_bytes())
        form = found.pop("format")
        if form != FORMAT:
            raise InputError(f"{path} is of format {form}, and this version of crypto-features reads {FORMAT}.")
        files = {name: Copied(*copied) for name, copied in found.pop("files").items()}
        manifest = Manifest(files=files, **found)
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged ({error}); restore another backup.") from None
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(f"{path} names {name!r}, which is outside a data folder; nothing was written.")
    return manifest


def digest(file: BinaryIO, copy: BinaryIO | None = None) -> Copied:
    """Size and digest of what is left of a file, which is also written into a copy if there is one."""
    state, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        if copy is not None:
            copy.write(block)
        state.update(block)
        size += len(block)
    return Copied(size, state.hexdigest())


def digest_at(path: Path) -> Copied | None:
    """Size and digest of a file; `None` if it is not there or cannot be read."""
    try:
        with path.open("rb") as file:
            return digest(file)
    except OSError:
        return None


def some(names: list[str]) -> str:
    """The first few of some names, for a message."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
