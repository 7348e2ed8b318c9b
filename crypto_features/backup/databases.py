"""The SQLite files of a data folder as they all were at one moment, while others write to them."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import sleep

from crypto_features.errors import InputError, TransientError
from crypto_features.whole_file import make_folder, sync_folder
from crypto_features_reader.sqlite_seal import fault

DATABASES = ("online_switches.db", "registry.db", "online.db")
"""The switches come first: whoever switches something off waits for whoever reads them."""
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file that is open."""
_WAIT_SECONDS = 30
_TRIES = 1000
_PAUSE_SECONDS = 0.005


@contextmanager
def at_one_moment(folder: Path) -> Iterator[Mapping[str, sqlite3.Connection]]:
    """A connection to each database of a data folder, all of which see the same moment.

    Each begins to read; if none was changed while they began, what all of them see existed at once. No publisher waits
    for it. `disable` waits for half a second until the switches, which are few, were read: copy them first.

    Raises:
        TransientError: if they change all the time, or one is locked.
        InputError: if one is not a SQLite file.
    """
    paths = {name: folder / name for name in DATABASES if (folder / name).is_file()}
    with ExitStack() as opened:
        readers, watchers = (
            {name: opened.enter_context(closing(_open(path))) for name, path in paths.items()} for _ in range(2)
        )
        try:
            for _ in range(_TRIES):
                before = [_version(one) for one in watchers.values()]
                for reader in readers.values():
                    reader.execute("BEGIN")
                    reader.execute("SELECT count(*) FROM sqlite_master").fetchall()
                if before == [_version(one) for one in watchers.values()]:
                    yield readers
                    return
                for reader in readers.values():
                    reader.rollback()
                sleep(_PAUSE_SECONDS)
        except sqlite3.OperationalError as error:
            raise TransientError(f"a database in {folder} does not answer: {error}; try again later.") from error
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"a database in {folder} is damaged: {error}. `crypto-features scrub` says which, and what restores it."
            ) from error
    raise TransientError(f"the databases in {folder} changed {_TRIES} times while they were opened; try again later.")


def copy_database(database: sqlite3.Connection, target: Path) -> None:
    """Write what a connection sees into a new file, and let go of it; the file is on the disk when this returns.

    Raises:
        InputError: if it is damaged.
    """
    make_folder(target.parent)
    with closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # who waits for the switches does not wait for the disk.
        database.backup(copy)
        database.rollback()
    with closing(sqlite3.connect(target)) as copy:
        why = fault(copy)
    if why is not None:
        raise InputError(
            f"{target.name} is damaged: {why}. `crypto-features scrub` says what restores it; a backup of it would not "
            "help."
        )
    with target.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(target.parent)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)


def _version(watcher: sqlite3.Connection) -> int:
    ((version,),) = watcher.execute("PRAGMA data_version").fetchall()
    return int(version)
