"""What a database must do to hold guarded rows: replace atomically, never with an older row, and read one snapshot."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from crypto_features_reader.backend import ReadBackend, StoredRow

__all__ = [
    "Backend",
    "Fence",
    "StoredRow",
]


class Fence(NamedTuple):
    """What distinguishes a long-running writer from those before and after it.

    Args:
        name: What it writes for, such as the live path of a project.
        generation: Its number, as `Backend.claim` gave it.
    """

    name: str
    generation: int


class Backend(ReadBackend, Protocol):
    """A database of guarded rows. Every method raises `StoreUnreachableError` when the server does not answer.

    A write replaces a row only if `(event, created)` is not smaller than that of the stored row. All rows of one call
    become visible at once or not at all. One without rows is a publish, too.
    """

    def write(self, table: str, rows: Sequence[StoredRow], fence: Fence | None = None) -> None:
        """Publish rows, in one transaction.

        Raises:
            FencedError: if a later writer of the fence's name was begun; nothing is published then.
        """

    def claim(self, name: str) -> Fence:
        """Begin the next generation of a writer: from now on nothing of the ones before is published."""

    def withdraw(self, table: str, after: int) -> int:
        """Delete the rows whose event time is later, and say how many there were."""

    def create(self, table: str) -> None:
        """Make room for a table."""

    def drop(self, table: str) -> None:
        """Forget a table."""

    def switch_off(self, name: str, why: str) -> None:
        """Note that a view or an entity must not be served."""

    def switch_on(self, name: str) -> None:
        """Forget that note."""
