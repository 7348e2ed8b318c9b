"""What a reader asks of a database of guarded rows: one snapshot of each table, and what is switched off."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class StoredRow(NamedTuple):
    """A packed row of one entity with its two stamps in microseconds since 1970 UTC; no creation time is 0."""

    key: bytes
    event: int
    created: int
    payload: bytes


class News(Protocol):
    """Says when something was published, in the event loop that opened it."""

    async def wait(self, seconds: float) -> None:
        """Return once something was published since the last return, and after so many seconds at the latest."""

    async def close(self) -> None:
        """Give its connection back."""


class ReadBackend(Protocol):
    """A database of guarded rows. Every method raises `StoreUnreachableError` when the server does not answer."""

    @property
    def name(self) -> str:
        """Where it is, without a password."""

    def read(self, wanted: Mapping[str, Sequence[bytes]]) -> dict[str, dict[bytes, StoredRow]]:
        """By table the rows of those keys that exist, of each table as of one moment; none of one never written."""

    def scan(self, table: str) -> list[StoredRow]:
        """Every row."""

    def has(self, table: str) -> bool:
        """Whether anything was ever published to a table, be it that no row of it is left."""

    def switches(self) -> Mapping[str, str]:
        """What is switched off and why."""

    async def news(self) -> News:
        """Listen, in the event loop that runs, to what is published from now on, by whichever process."""

    def close(self) -> None:
        """Give connections back."""
