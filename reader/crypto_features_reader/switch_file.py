"""The switches beside an online store on SQLite, in a file of their own: no publisher locks it, whatever hangs."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from crypto_features_reader import sqlite_seal
from crypto_features_reader.errors import StoreMisusedError, StoreUnreachableError

_SECONDS = 0.5
"""How long a switch waits for another one."""

T = TypeVar("T")


class ReadSwitchFile:
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
        return self._run(_switches)

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What some work on the file gives, once the file is known to hold what was written."""
        try:
            # Not only for reading: what a switch that was killed left half-way is taken back first.
            address = f"{self.path.absolute().as_uri()}?mode={self._mode}"
            with closing(sqlite3.connect(address, uri=True, timeout=_SECONDS)) as file, file:
                if why := sqlite_seal.fault(file):
                    raise self._damaged(why)
                return work(file)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if sqlite_seal.tells_damage(error):
                raise self._damaged(str(error)) from error
            raise StoreUnreachableError(f"the switches in {self.path} do not answer: {error}") from error

    _mode = "rw"

    def _damaged(self, why: str) -> StoreMisusedError:
        return StoreMisusedError(
            f"{self.path}, which says what is switched off, is damaged: {why}. Delete it, since the registry knows: "
            f"{sqlite_seal.removal(self.path)}"
        )


def _switches(file: sqlite3.Connection) -> dict[str, str]:
    if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'switches'").fetchall():
        return {}
    return dict(file.execute("SELECT name, why FROM switches").fetchall())
