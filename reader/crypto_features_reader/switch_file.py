"""The switches beside an online store on SQLite, in a file of their own: no publisher locks it, whatever hangs."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from crypto_features.store import sqlite_seal
from crypto_features.store.errors import StoreMisusedError, StoreUnreachableError
from crypto_features.whole_file import make_folder

_SECONDS = 0.5
"""How long a switch waits for another one."""

T = TypeVar("T")


class SwitchFile:
    """What is switched off and why, as one table of a SQLite file.

    Args:
        store: The file with the rows.
    """

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(f"{store.stem}_switches{store.suffix}")

    def read(self) -> Mapping[str, str]:
        """What is switched off; nothing if there is no file. Reading does not create it."""
        if not self.path.exists():
            return {}
        return self._run(lambda file: dict(file.execute("SELECT name, why FROM switches").fetchall()))

    def off(self, name: str, why: str) -> None:
        """Note a name, and on the disk, too."""
        make_folder(self.path.parent)
        self._run(lambda file: file.execute("INSERT OR REPLACE INTO switches VALUES (?, ?)", (name, why)))

    def on(self, name: str) -> None:
        """Forget a name."""
        if self.path.exists():
            self._run(lambda file: file.execute("DELETE FROM switches WHERE name = ?", (name,)))

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with closing(sqlite3.connect(self.path, timeout=_SECONDS)) as file, file:
                # A journal that a power cut brings back would undo what was acknowledged.
                file.execute("PRAGMA synchronous = EXTRA")
                if why := sqlite_seal.fault(file):
                    raise self._damaged(why)
                file.execute("CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, why TEXT NOT NULL)")
                found = work(file)
                if file.in_transaction:
                    sqlite_seal.seal(file)
                return found
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if sqlite_seal.tells_damage(error):
                raise self._damaged(str(error)) from error
            raise StoreUnreachableError(f"the switches in {self.path} do not answer: {error}") from error

    def _damaged(self, why: str) -> StoreMisusedError:
        return StoreMisusedError(
            f"{self.path}, which says what is switched off, is damaged: {why}. Delete it, since the registry knows: "
            f"{sqlite_seal.removal(self.path)}"
        )
