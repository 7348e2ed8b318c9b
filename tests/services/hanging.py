"""A PostgreSQL server that hangs."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def stopped(database: str) -> Iterator[None]:
    """While this context is open, the server's processes for a database stand still, as on a machine that hangs."""
    with psycopg.connect(database, autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    processes = [pid for (pid,) in found]
    assert processes
    try:
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
