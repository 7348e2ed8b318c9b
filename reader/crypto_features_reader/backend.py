"""What a database must do to hold guarded rows: replace atomically, never with an older row, and read one snapshot."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from crypto_features.store.online.wake import News


class StoredRow(NamedTuple):
    """A packed row of one entity with its two stamps in microseconds since 1970 UTC; no creation time is 0."""

    key: bytes
    event: int
    created: int
    payload: bytes


class Fence(NamedTuple):
    """What distinguishes a long-running writer from those before and after it.

    Args:
        name: What it writes for, such as the live path of a project.
        generation: Its number, as `Backend.claim` gave it.
    """

    name: str
    generation: int


class Backend(Protocol):
    """A database of guarded rows. Every method raises `StoreUnreachableError` when the server does not answer.

    A write replaces a row only if `(event, created)` is not smaller than that of the stored row. All rows of one call
    become visible at once or not at all. One without rows is a publish, too.
    """

    @property
    def name(self) -> str:
        """Where it is, without a password."""

    def write(self, table: str, rows: Sequence[StoredRow], fence: Fence | None = None) -> None:
        """Publish rows, in one transaction.

        Raises:
            FencedError: if a later writer of the fence's name was begun; nothing is published then.
        """

    def claim(self, name: str) -> Fence:
        """Begin the next generation of a writer: from now on nothing of the ones before is published."""

    def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        """By table the rows of those keys that exist, of each table as of one moment; none of one never written."""

    def scan(self, table: str) -> list[StoredRow]:
        """Every row."""

    def has(self, table: str) -> bool:
        """Whether anything was ever published to a table, be it that no row of it is left."""

    def withdraw(self, table: str, after: int) -> int:
        """Delete the rows whose event time is later, and say how many there were."""

    def create(self, table: str) -> None:
        """Make room for a table."""

    def drop(self, table: str) -> None:
        """Forget a table."""

    def switches(self) -> Mapping[str, str]:
        """What is switched off and why."""

    def switch_off(self, name: str, why: str) -> None:
        """Note that a view or an entity must not be served."""

    def switch_on(self, name: str) -> None:
        """Forget that note."""

    async def news(self) -> News:
        """Listen, in the event loop that runs, to what is published from now on, by whichever process."""

    def close(self) -> None:
        """Give connections back."""
