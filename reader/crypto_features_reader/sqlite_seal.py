"""A checksum over all rows of a SQLite file, which SQLite itself has none of: a bit that rots is an error.

It is written by the transaction that changes the rows, and compared before they are read. A file that was never sealed
is taken as it is, until its next change.
"""

import sqlite3
from pathlib import Path
from typing import Any
from zlib import adler32, crc32

TABLE = "crypto_features_seal"
"""Holds the checksum, in one row."""
_SEALED, _OTHERWISE = 2, 1
"""The file's `user_version` from then on: a seal whose table is lost was not simply never made. 1 was one of another
checksum, of which the file is taken as it is until its next change."""


def seal(connection: sqlite3.Connection) -> None:
    """Note the checksum of what the open transaction leaves, as a part of it."""
    connection.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} (one INTEGER PRIMARY KEY CHECK (one = 1), checksum TEXT)")
    connection.execute(f"INSERT OR REPLACE INTO {TABLE} VALUES (1, ?)", [_checksum(connection)])  # noqa: S608 - a constant.
    connection.execute(f"PRAGMA user_version = {_SEALED}")


def fault(connection: sqlite3.Connection) -> str | None:
    """What is wrong with a file, as of one moment; `None` if it holds what was written.

    Raises:
        sqlite3.OperationalError: if it cannot be read now, as when it is locked.
    """
    try:
        connection.execute("BEGIN")
        return _fault(connection)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if not tells_damage(error):
            raise
        return str(error)
    finally:
        connection.rollback()


def tells_damage(error: BaseException | None) -> bool:
    """Whether an error says that a file is not what was written, where a statement is right in itself."""
    if isinstance(error, sqlite3.OperationalError):  # a text or a table that is not there as it was, or a lock.
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR
    return type(error) in (sqlite3.DatabaseError, UnicodeDecodeError)


def removal(path: Path) -> str:
    """The command that removes a file with its log."""
    return f"rm -f {path} {path}-wal {path}-shm"


def _fault(connection: sqlite3.Connection) -> str | None:
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    has_table = bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [TABLE]).fetchall())
    if version == _OTHERWISE or not (version or has_table):
        return None
    # An index that lost an entry hides a row from those that search by it.
    ((first, *_), *_) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if first != "ok":
        return str(first).replace("\n", " ")
    noted = connection.execute(f"SELECT checksum FROM {TABLE}").fetchall() if has_table else []  # noqa: S608 - a constant.
    if version != _SEALED or noted != [(_checksum(connection),)]:
        return "its rows are not those that were written"
    return None


def _checksum(connection: sqlite3.Connection) -> str:
    """The checksum of every row, and of the names of its table and columns. Tables without rows do not count."""
    sums = crc32(b""), adler32(b"")
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND typeof(name) = 'text' ORDER BY name"
    for (table,) in connection.execute(tables).fetchall():
        if table == TABLE or table.startswith("sqlite_"):
            continue
        quoted = table.replace('"', '""')
        found = connection.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608 - quoted.
        columns: list[Any] = [column[0] for column in found.description]
        if rows := sorted(map(repr, found)):
            content = "\n".join([repr((table, columns)), *rows]).encode(errors="surrogatepass")
            sums = crc32(content, sums[0]), adler32(content, sums[1])
    return "".join(f"{one:08x}" for one in sums)
