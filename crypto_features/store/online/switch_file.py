"""Writing the switches beside an online store on SQLite."""

import sqlite3

from crypto_features.whole_file import make_folder
from crypto_features_reader import sqlite_seal
from crypto_features_reader.switch_file import ReadSwitchFile


class SwitchFile(ReadSwitchFile):
    """The switches, which are on the disk once a method returned."""

    _mode = "rwc"

    def off(self, name: str, why: str) -> None:
        """Note a name, and on the disk, too."""
        make_folder(self.path.parent)
        self._change("INSERT OR REPLACE INTO switches VALUES (?, ?)", name, why)

    def on(self, name: str) -> None:
        """Forget a name."""
        if self.path.exists():
            self._change("DELETE FROM switches WHERE name = ?", name)

    def _change(self, statement: str, *values: str) -> None:
        def work(file: sqlite3.Connection) -> None:
            # A journal that a power cut brings back would undo what was acknowledged.
            file.execute("PRAGMA synchronous = EXTRA")
            file.execute("CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, why TEXT NOT NULL)")
            file.execute(statement, values)
            if file.in_transaction:
                sqlite_seal.seal(file)

        self._run(work)
