"""Takes a backup."""

import os
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from crypto_features import clock
from crypto_features.backup.databases import BESIDE, DATABASES, at_one_moment, copy_database
from crypto_features.backup.folder import (
    FILES,
    MANIFEST,
    Copied,
    Manifest,
    digest,
    digest_at,
    read_manifest,
    write_manifest,
)
from crypto_features.backup.order import in_order, stage_of, stages
from crypto_features.errors import InputError, SettingsError, TransientError
from crypto_features.file_lock import file_lock
from crypto_features.lake import pins
from crypto_features.settings import Settings
from crypto_features.tables.catalog import Catalog
from crypto_features.whole_file import make_folder, on_disk, sync_folder, whole_file

_LOCK_SECONDS = 60
_LOCKS = ".locks"
_SIDES = frozenset(name + end for name in DATABASES for end in ("", ".lock", *BESIDE))


def take(
    settings: Settings,
    catalog: Catalog,
    folder: Path,
    since: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Copy the data folder as the platform could have left it at one moment, while it goes on.

    The databases and pins are those of one moment; then each table is copied before what it is made from.

    Args:
        settings: Name the data folder.
        catalog: Its tables.
        folder: The new folder.
        since: An earlier backup on the same file system: a file that is equal there is not copied but linked.
        progress: Is told which folder is copied now.

    Raises:
        SettingsError: if the data folder is a bucket.
        InputError: if there is no data folder, `folder` holds something or is within it, `since` is not a whole backup,
            or a database is damaged.
        TransientError: if the databases are locked or change all the time.
    """
    root = local_root(settings)
    if not root.is_dir():
        raise InputError(f"there is no data folder {root} to back up; name it in CRYPTO_FEATURES_DATA.")
    _require_new(folder, root)
    known = {} if since is None else read_manifest(since).files
    begun_at = clock.now().isoformat()
    make_folder(folder / FILES)
    copying = _Copying(root, folder / FILES, (since or folder) / FILES, known)
    progress("databases")
    copying.databases()
    folders = stages(catalog)
    for stage in range(-1, len(folders)):
        progress(folders[stage] if stage >= 0 else "everything else")
        for name in in_order(name for name in files_of(root) if stage_of(name, folders) == stage):
            if name not in copying.done:
                copying.file(name)
    manifest = Manifest(begun_at, version("crypto-features"), str(root), settings.store, copying.done)
    write_manifest(folder, manifest)
    return manifest


def local_root(settings: Settings) -> Path:
    """The data folder on this machine.

    Raises:
        SettingsError: if it is a bucket.
    """
    root = on_disk(settings.root)
    if root is None:
        raise SettingsError(
            f"CRYPTO_FEATURES_DATA={settings.data} is a bucket, which the command does not copy; use the versioning or "
            "replication of the bucket."
        )
    return root


def files_of(root: Path) -> Iterator[str]:
    """What a backup copies file by file, relative to the data folder: not databases, locks, nor Dagster's home."""
    for folder, below, names in os.walk(root, followlinks=True):
        here = Path(folder)
        below[:] = [name for name in below if not _is_left_out(here, root, name)]
        for name in names:
            is_side = here == root and name in _SIDES
            if not is_side and not is_stray(name) and (here / name).is_file():
                yield (here / name).relative_to(root).as_posix()


def is_stray(name: str) -> bool:
    """Whether a file of that name is what a killed writer left."""
    return name.startswith(".") and name.endswith(".tmp")


def _is_left_out(parent: Path, root: Path, name: str) -> bool:
    return (parent == root and name == _LOCKS) or (parent / name / "dagster.yaml").is_file()


def _require_new(folder: Path, root: Path) -> None:
    if folder.resolve().is_relative_to(root.resolve()):
        raise InputError(f"{folder} is within the data folder {root}; give a folder elsewhere, best on another disk.")
    if not folder.exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        held = "a backup already" if (folder / MANIFEST).exists() else "something already"
        if (folder / FILES).is_dir() and held.startswith("something"):
            held = f"an interrupted backup (remove it with: rm -r {folder})"
        raise InputError(f"{folder} holds {held}; give a folder that is new or empty.")


class _Copying:
    """Copies files of a data folder, and notes each."""

    def __init__(self, root: Path, target: Path, earlier: Path, known: Mapping[str, Copied]) -> None:
        self._root, self._target, self._earlier, self._known = root, target, earlier, known
        self.done: dict[str, Copied] = {}

    def databases(self) -> None:
        """All of them, and the pins, which an apply changes together with the registry."""
        registry = self._root / "registry.db"
        if not registry.is_file():
            self._databases()
            return
        busy = f"the registry {registry} is being changed for more than {_LOCK_SECONDS} s; try again later."
        with file_lock(f"{registry}.lock", _LOCK_SECONDS, TransientError(busy)):
            self._databases()

    def _databases(self) -> None:
        with at_one_moment(self._root) as found:
            for name, database in found.items():
                copy_database(database, self._target / name)
            for name in in_order(name for name in files_of(self._root) if name.startswith(f"{pins.FOLDER}/")):
                self.file(name)
        for name in found:
            with (self._target / name).open("rb") as file:
                self.done[name] = digest(file)

    def file(self, name: str) -> None:
        """One file, unless it was removed meanwhile."""
        try:
            source = (self._root / name).open("rb")
        except FileNotFoundError:
            return
        with source:
            if name in self._known and self._is_linked(name, digest(source)):
                self.done[name] = self._known[name]
                return
            source.seek(0)
            with whole_file(self._target / name) as target:
                self.done[name] = digest(source, target)

    def _is_linked(self, name: str, found: Copied) -> bool:
        """Whether the earlier backup has the same file, and still the bytes that it says, and its disk takes a link."""
        if self._known[name] != found or digest_at(self._earlier / name) != found:
            return False
        make_folder((self._target / name).parent)
        try:
            os.link(self._earlier / name, self._target / name)
        except OSError:
            return False
        sync_folder((self._target / name).parent)
        return True
