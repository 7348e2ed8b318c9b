"""An engine whose transactions become parts of a larger one: an apply changes a registry whole or not at all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine

IDLE_LONGER = "SET LOCAL idle_in_transaction_session_timeout = '10min'"
"""PostgreSQL may be told to end who does nothing within a transaction; an apply computes and writes files meanwhile."""


class JoinedEngine:
    """A SQLAlchemy engine of which Feast asks `begin()` for each of its many small changes.

    Args:
        engine: The engine.
        held: Where each thread keeps the connection of its larger transaction; engines that share it share that.
    """

    def __init__(self, engine: Engine, held: threading.local) -> None:
        self._engine, self._held = engine, held

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @property
    def is_whole(self) -> bool:
        """Whether this thread is in a larger transaction."""
        return getattr(self._held, "connection", None) is not None

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction of its own, or a part of the larger one, which alone commits."""
        if self.is_whole:
            yield self._held.connection
            return
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What this thread begins meanwhile is one transaction: all of it is there, or after an error nothing."""
        with self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # its driver would begin at the first change.
            if self._engine.dialect.name == "postgresql":
                connection.exec_driver_sql(IDLE_LONGER)
            self._held.connection = connection
            try:
                yield
            finally:
                self._held.connection = None
