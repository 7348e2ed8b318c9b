"""The data folder: there, writable, on a file system with locks, with room."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from crypto_features.health.finding import Finding, ok, warn, wrong
from crypto_features.lake.room import MAKE_ROOM, WARN, spoken
from crypto_features.settings import Settings
from crypto_features.whole_file import on_disk

ABOUT = "data folder"
_NETWORK = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "fuse.s", "fuse.r", "fuse.g")
"""How the names of file systems begin that several machines share."""
_IN_MEMORY = ("tmpfs", "ramfs")


def data_folder(settings: Settings) -> Iterator[Finding]:
    """Whether tables can be written; what is tried leaves no file."""
    folder = on_disk(settings.root)
    if folder is None:
        yield _bucket(settings)
        return
    try:
        yield from _local(settings, folder)
    except OSError as error:
        yield wrong(ABOUT, f"{error.filename or folder} may not be read ({error.strerror}).", _grant(folder))


def _local(settings: Settings, folder: Path) -> Iterator[Finding]:
    named = f"{folder} (CRYPTO_FEATURES_DATA={settings.data})"
    if not folder.is_dir():
        above = next(one for one in folder.parents if one.exists())
        if os.access(above, os.W_OK | os.X_OK):
            yield warn(ABOUT, f"{named} is not there yet.", "crypto-features run, or correct CRYPTO_FEATURES_DATA")
        else:
            yield wrong(ABOUT, f"{named} is not there, and {above} may not be written.", _grant(above))
        return
    refused = _refused(folder)
    yield refused or ok(ABOUT, f"{named} can be written, and files in it can be locked")
    if foreign := _foreign(folder):
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        yield wrong(ABOUT, f"{foreign[0]}{more} may not be written by this user.", f"sudo chown -R $(id -un) {folder}")
    yield _file_system(folder)
    yield _room(folder, settings.disk_reserve)


def _bucket(settings: Settings) -> Finding:
    try:
        names = [path.name for path in settings.root.iterdir()] if settings.root.is_dir() else []
    except Exception as error:  # noqa: BLE001 - each of the libraries of buckets has errors of its own.
        why = type(error).__name__
        return wrong(ABOUT, f"{settings.data} cannot be read ({why}).", "mind the bucket's name, keys and network")
    return ok(ABOUT, f"{settings.data} is a bucket with {len(names)} tables and other entries")


def _refused(folder: Path) -> Finding | None:
    """What a file without a name that is written and locked, as every table is, meets."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return wrong(ABOUT, f"the disk of {folder} is full ({error.strerror}).", "make room on it")
        if error.errno in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            text = f"the file system of {folder} has no locks ({error.strerror}): two processes would write over each "
            return wrong(ABOUT, f"{text}other.", "name a folder on a local disk in CRYPTO_FEATURES_DATA")
        return wrong(ABOUT, f"{folder} may not be written ({error.strerror}).", _grant(folder))
    return None


def _foreign(folder: Path) -> list[Path]:
    """What stands in the folder and may not be changed, as after a run of another user."""
    return sorted(path for path in folder.iterdir() if not os.access(path, os.W_OK))


def _file_system(folder: Path) -> Finding:
    kind = _kind(folder)
    if kind.startswith(_NETWORK):
        text = f"{kind}: SQLite's databases are not safe there if more than one machine opens them."
        return warn("file system", text, "use it from one machine only, or set CRYPTO_FEATURES_STORE=postgres")
    if kind in _IN_MEMORY:
        text = f"{kind}: what is written is gone once this machine, or its container, stops."
        return warn("file system", text, "name a folder on a disk in CRYPTO_FEATURES_DATA")
    return ok("file system", kind or "not known on this system")


def _kind(folder: Path) -> str:
    """The kind of the file system that a folder is on, where `/proc` says so."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    here, found = folder.resolve(), ("", "")
    for line in lines:
        before, _, after = line.partition(" - ")
        place = before.split()[4].replace("\\040", " ")
        if here.is_relative_to(place) and len(place) >= len(found[0]):  # a later mount hides an earlier one.
            found = place, after.split()[0]
    return found[1]


def _room(folder: Path, reserve: int) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"{spoken(free)} free"
    inodes = os.statvfs(folder)
    if inodes.f_files and not inodes.f_favail:
        return wrong("disk", f"{text}, and no inode is left for another file.", "remove files that nobody needs")
    if free < reserve:
        return wrong("disk", f"{text}; no run begins below {spoken(reserve)}.", MAKE_ROOM)
    if free < WARN * reserve:
        return warn("disk", f"{text}; no run begins below {spoken(reserve)}.", MAKE_ROOM)
    return ok("disk", text)


def _grant(folder: Path) -> str:
    return f"sudo chown -R $(id -un) {folder}, or name another folder in CRYPTO_FEATURES_DATA"
