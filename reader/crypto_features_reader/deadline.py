"""A PostgreSQL connection that waits for its server for a limited time: libpq itself would wait forever."""

import logging
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

PATIENCE = 5.0
"""For how many seconds a server may be silent."""

_LOOK = 0.1

T = TypeVar("T")


class SilentServerError(psycopg.OperationalError):
    """The server holds the connection open and says nothing: its process is stopped, or a network swallows packets."""


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that is closed, with `SilentServerError`, once its server has been silent for `patience` seconds."""

    patience = PATIENCE

    def __del__(self, *_: object) -> None:
        # Its pool may be forgotten without being closed, as that of a registry of Feast is.
        if hasattr(self, "pgconn"):
            self.pgconn.finish()

    def wait(self, gen: PQGen[T], interval: float = _LOOK, timeout: float | None = None) -> T:
        # Only the newer drivers know of a limit for one wait.
        more = {} if timeout is None else {"timeout": timeout}
        try:
            return super().wait(_limited(gen, self.patience), interval, **more)
        except SilentServerError:
            self.close()
            raise


def is_no_closed_connection(record: logging.LogRecord) -> bool:
    """Leaves out that a pool discards a connection of ours: who used it raises an error, or tries again."""
    return not any(isinstance(one, ImpatientConnection) for one in record.args or ())


def _limited(work: PQGen[T], patience: float) -> PQGen[T]:
    """What a driver waits for, ended by an error once nothing has happened for so long."""
    until = None
    try:
        wanted = next(work)
        while True:
            ready = yield wanted
            # The time is asked for only where a look found nothing, so that an answer costs nothing more.
            if ready:
                until = None
            elif until is None:
                until = monotonic() + patience - _LOOK
            elif monotonic() >= until:
                raise SilentServerError(f"no answer within {patience:g} seconds")
            wanted = work.send(ready)
    except StopIteration as done:
        result: T = done.value
        return result
