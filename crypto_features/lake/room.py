"""Whether the disk of the data folder has room for another computation: one is refused before the disk is full."""

import shutil
from pathlib import Path

from upath import UPath

from crypto_features.errors import TransientError
from crypto_features.whole_file import on_disk

WARN = 4
"""An alert comes while this many times the room that must stay is left."""


class DiskReserveError(TransientError):
    """The disk has less room than must stay free; nothing was computed, and a later run goes on."""


def room(root: Path | UPath) -> int | None:
    """Bytes that are free on the disk of a data folder, which need not be there yet; `None` for a bucket."""
    folder = on_disk(root)
    if folder is None:
        return None
    return shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.exists())).free


def require_room(root: Path | UPath, reserve: int) -> None:
    """Check that more than `reserve` bytes are free.

    Raises:
        DiskReserveError: if they are not.
    """
    free = room(root)
    if free is not None and free < reserve:
        raise DiskReserveError(
            f"the disk of {root} has {spoken(free)} left, and {spoken(reserve)} must stay free "
            "(CRYPTO_FEATURES_DISK_RESERVE). Nothing was computed; what is published goes on being served. "
            f"{MAKE_ROOM}"
        )


MAKE_ROOM = "Make room: `crypto-features old-versions --delete`, a shorter CRYPTO_FEATURES_KEEP_RUNS, or a larger disk."


def spoken(size: int) -> str:
    """Bytes as people say them, such as 1.5 GB."""
    return f"{size / 1e9:,.1f} GB" if size >= 10**9 else f"{size / 1e6:,.0f} MB"
