"""Rows that a process has read, served again as long as the database says that nothing was published since."""

from collections.abc import Hashable, Mapping, Sequence

from crypto_features_reader.backend import StoredRow

_MOST_KEYS = 30_000
_UNREAD = StoredRow(b"", 0, 0, b"")


class Memory:
    """Rows by table, with the version that the table had when they were read. Safe for threads.

    A version must never come back once the table has changed. Rows that were read at one version are of one moment.
    """

    def __init__(self) -> None:
        self._tables: dict[str, tuple[Hashable, dict[bytes, StoredRow | None]]] = {}

    def recall(self, table: str, version: Hashable, keys: Sequence[bytes]) -> dict[bytes, StoredRow] | None:
        """The rows of those keys that exist; none if one of the keys was not read at that version.

        None, and not those known: an answer is of one moment.
        """
        known_at, known = self._tables.get(table, (None, {}))
        if version is None or known_at != version:
            return None
        found = [known.get(key, _UNREAD) for key in keys]
        if _UNREAD in found:
            return None
        return {key: row for key, row in zip(keys, found, strict=True) if row is not None}

    def note(self, table: str, version: Hashable, keys: Sequence[bytes], rows: Mapping[bytes, StoredRow]) -> None:
        """Keep what was found of those keys at that version; of a table without one, `None`, nothing is kept."""
        if version is None:
            return
        known_at, known = self._tables.get(table, (None, {}))
        if known_at != version or len(known) > _MOST_KEYS:
            known = {}
        known.update((key, rows.get(key)) for key in keys)
        self._tables[table] = (version, known)
