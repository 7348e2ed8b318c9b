"""The folder of a training set: Parquet files of months, and the manifest, which is written last.

A folder without a manifest is not a set: its build was interrupted.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.lake import parquet
from crypto_features.lake.parquet import ParquetFile
from crypto_features.lake.scrub import SET_DATA as DATA
from crypto_features.training.croissant import OWN
from crypto_features.training.digests import GROUP, group_digests, sha256
from crypto_features.versions.provenance import content_digest
from crypto_features.whole_file import whole_file

MANIFEST = "manifest.json"
FORMAT = 1
"""Of the manifest: a reader refuses a newer one."""
BUILD_AGAIN = "Build it again: crypto-features training-set build NAME --out FOLDER"


class SetFolder:
    """A set that was built.

    Args:
        path: The folder.
    """

    def __init__(self, path: UPath) -> None:
        self.path = path

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The whole manifest.

        Raises:
            InputError: if the folder is not a set, or is a half-written one, or was written by a later version.
        """
        path = self.path / MANIFEST
        if not path.exists():
            raise self._not_a_set()
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            form = found[OWN]["format"]
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{path} is not the manifest of a training set; expected JSON with the key {OWN!r}. {BUILD_AGAIN}"
            ) from None
        if form != FORMAT:
            raise InputError(
                f"{path} is of format {form}, and this version of crypto-features reads {FORMAT}; install the one "
                "that wrote it."
            )
        document: dict[str, Any] = found
        return document

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the manifest says beside Croissant's words."""
        own: dict[str, Any] = self.document[OWN]
        return own

    def file(self, name: str) -> ParquetFile:
        """A file of the set, as `data/2024-01.parquet`."""
        return ParquetFile(self.path / name, f"{name} of the training set {self.path}", f"{BUILD_AGAIN}.")

    def read(self, name: str) -> pl.DataFrame:
        """The rows of a file.

        Raises:
            UnreadableTableError: if it is damaged or missing.
        """
        file = self.file(name)
        if not file.path.exists():
            raise file.broken("it is missing")
        return parquet.collect(parquet.scan([file]), [file])

    def require_new(self) -> None:
        """Make room for a build: what an interrupted one left is removed.

        Raises:
            InputError: if the folder holds a set, or files that are not of one.
        """
        if not self.path.exists():
            return
        if (self.path / MANIFEST).exists():
            raise InputError(f"{self.path} holds a training set already; give --out another folder.")
        others = [one.name for one in self.path.iterdir() if not _of_a_build(one)]
        if others:
            raise InputError(
                f"{self.path} holds {', '.join(sorted(others)[:3])}, which no build wrote; give --out a new folder."
            )
        for left in _files(self.path):
            left.unlink()

    def write(self, month: str, rows: pl.DataFrame) -> dict[str, Any]:
        """Write the rows of a month, whole or not at all; return what the manifest says of the file."""
        name = f"{DATA}/{month}.parquet"
        sizes = [len(part) for part in rows.iter_slices(GROUP)]
        parquet.write(self.path / name, rows, notes={"digest": content_digest(rows)}, groups=sizes)
        with (self.path / name).open("rb") as file:
            digest = sha256(file)
        size = (self.path / name).stat().st_size
        return {"path": name, "rows": rows.height, "bytes": size, "sha256": digest, "row_groups": group_digests(rows)}

    def finish(self, document: Mapping[str, Any]) -> None:
        """Write the manifest, after which the folder is a set."""
        with whole_file(self.path / MANIFEST) as file:
            file.write(f"{json.dumps(document, indent=1, ensure_ascii=False)}\n".encode())

    def _not_a_set(self) -> InputError:
        if (self.path / DATA).is_dir():
            return InputError(
                f"{self.path} holds a half-written training set: its build was interrupted, and it has no "
                f"{MANIFEST}. {BUILD_AGAIN}, into the same folder or another one."
            )
        what = "is not a training set" if self.path.is_dir() else "is not a folder"
        return InputError(f"{self.path} {what}: expected {MANIFEST} and {DATA}/. {BUILD_AGAIN}.")


def checksum(own: Mapping[str, Any]) -> str:
    """The digest of what a manifest says, without itself."""
    said = {name: value for name, value in own.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def sets_of(root: UPath, name: str) -> list[SetFolder]:
    """The sets that were built of a declaration into the data folder, oldest first.

    Args:
        root: The data folder.
        name: `TrainingSet.name`.
    """
    folder = root / name
    there = sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else []
    return [SetFolder(path) for path in there if (path / MANIFEST).exists()]


def new_folder(root: UPath, name: str, built_at: datetime) -> SetFolder:
    """The folder of a build into the data folder, named by its time."""
    stamp = f"{built_at:%Y-%m-%dT%H%M%SZ}"
    taken = {one.path.name for one in sets_of(root, name)}
    number = next(n for n in range(1, len(taken) + 2) if _numbered(stamp, n) not in taken)
    return SetFolder(root / name / _numbered(stamp, number))


def _numbered(stamp: str, number: int) -> str:
    return stamp if number == 1 else f"{stamp}-{number}"


def _of_a_build(path: UPath) -> bool:
    """Whether a build may have left it: files of months, and what a killed writer leaves beside them."""
    if path.is_dir():
        return path.name == DATA and all(one.suffix == ".parquet" or _is_left(one) for one in path.iterdir())
    return _is_left(path)


def _is_left(path: UPath) -> bool:
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _files(path: UPath) -> list[UPath]:
    return [one for one in path.rglob("*") if one.is_file()]
