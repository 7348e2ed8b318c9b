"""Whether an online store still has what was published to it, by the registry, which notes each publish."""

from contextlib import suppress
from time import monotonic

from crypto_features.store.errors import EmptyStoreError, StoreMisusedError, StoreUnreachableError
from crypto_features.store.online.backend import Backend
from crypto_features.store.online.switches import RegistryCopy

_LOOK_SECONDS = 0.5
"""For how long a table that was there counts as there."""


class Published:
    """What was published to an online store. A registry that does not answer stops neither reads nor publishes.

    Args:
        backend: The store.
        copy: What the registry knows of it; `None` where the registry is not a SQL one, which notes nothing.
    """

    def __init__(self, backend: Backend, copy: RegistryCopy | None) -> None:
        self._backend, self._copy = backend, copy
        self._there: dict[str, float] = {}

    def note(self, table: str) -> None:
        """Note that rows were published to a table; if that fails, the next publish notes it."""
        if self._copy is not None:
            with suppress(StoreUnreachableError, StoreMisusedError):
                self._copy.note_published(table)

    def require(self, table: str, view: str) -> None:
        """Check that a table is there if anything was published to it.

        Raises:
            EmptyStoreError: naming the view, if the store has nothing of it.
        """
        if self._copy is None or monotonic() - self._there.get(table, float("-inf")) < _LOOK_SECONDS:
            return
        if not self._backend.has(table) and self._is_noted(self._copy, table):
            raise EmptyStoreError(
                f"the online store {self._backend.name} has nothing of {view}, which was published to it: it was "
                "flushed, or replaced by an empty one. Restore a copy, or publish again: crypto-features run, or "
                "feast materialize-incremental in feature_repo/."
            )
        self._there[table] = monotonic()

    @staticmethod
    def _is_noted(copy: RegistryCopy, table: str) -> bool:
        with suppress(StoreUnreachableError, StoreMisusedError):
            return copy.has_published(table)
        return False
