"""Files that are written whole or not at all: beside their place, and then moved there in one step."""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from upath import UPath


@contextmanager
def whole_file(path: Path | UPath, *, first: bool = False) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of `path`, whose folders are made, once all of it is on the disk.

    What fails, a full disk too, leaves what was at `path`, and nothing beside it. A writer that is killed leaves
    `.<name>.<its own>.tmp`, which the next writer removes. An object in a bucket is uploaded at the end, which a reader
    sees at once or not at all.

    Args:
        path: The file.
        first: Leave a file that is there as it is; in a bucket it is replaced all the same.
    """
    place = on_disk(path)
    if place is None:
        content = BytesIO()
        yield content
        path.write_bytes(content.getvalue())
        return
    make_folder(place.parent)
    remove_strays(place)
    beside, file = _opened_beside(place)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if first:
                with suppress(FileExistsError):  # another one came first.
                    os.link(beside, place)
            else:
                beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(place.parent)


def remove_strays(path: Path | UPath) -> None:
    """Remove what writers of a file that were killed left beside it; a writer that lives holds a lock on its own."""
    place = on_disk(path)
    for stray in () if place is None else place.parent.glob(f".{escape(place.name)}.*.tmp"):
        with suppress(OSError), stray.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stray.unlink()


def _opened_beside(place: Path) -> tuple[Path, BinaryIO]:
    """A new file beside its place, held so that it is no stray; on a file system without locks none is ever removed."""
    while True:
        beside = place.with_name(f".{place.name}.{uuid.uuid4().hex}.tmp")
        file = beside.open("xb")
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return beside, file
        file.close()  # another one took it for a stray before it was held.


def on_disk(path: Path | UPath) -> Path | None:
    """The path as one of this machine; `None` for a bucket's."""
    if not isinstance(path, UPath):
        return path
    return Path(path.path) if path.protocol in ("", "file", "local") else None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, which are there after a power cut, too."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring to the disk which files a folder has."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
