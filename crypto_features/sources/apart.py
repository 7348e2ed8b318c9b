"""Work on a file of unknown origin in a process of its own, which is all that a library ends when it aborts."""

import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from threading import Lock
from types import ModuleType
from typing import Any

from crypto_features.errors import InputError

MEMORY = 2 << 30
"""Bytes of data that the process may hold."""
SECONDS = 600.0
_starting = Lock()


def apart(work: Callable[..., None], *arguments: Any, memory: int = MEMORY, seconds: float = SECONDS) -> None:
    """Run a function of a module in a process of its own and wait for it.

    Args:
        work: The function; an `InputError` that it raises is raised here.
        arguments: Its arguments.
        memory: Bytes of data that it may hold.
        seconds: How long it may take.

    Raises:
        InputError: as the function, or if the process did not live to its end.
    """
    here, there = _context().Pipe(duplex=False)
    process = _context().Process(target=_limited, args=(there, memory, work, arguments), daemon=True)
    with _without_script():
        process.start()
    there.close()
    with here:
        try:
            why = here.recv() if here.poll(seconds) else f"it took longer than {seconds:g} seconds"
        except EOFError:
            process.join()
            code = process.exitcode or 0
            why = f"the process that looked at it ended by {signal.Signals(-code).name if code < 0 else code}"
    process.kill()
    process.join()
    if why is not None:
        raise InputError(why)


@contextmanager
def _without_script() -> Iterator[None]:
    """Start a process that does not run the script of this one once more, as `multiprocessing` would."""
    with _starting:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script


@cache
def _context() -> ForkServerContext:
    """A server that forks: to fork a process in which Polars has threads would hang, and a new one takes longer."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["polars", "pyarrow.parquet", "pyarrow.ipc", __name__])
    return context


def _limited(answer: Connection, memory: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        work(*arguments)
    except InputError as error:
        answer.send(str(error))
    except MemoryError:
        answer.send(f"it needs more than {memory:,} bytes of memory")
    else:
        answer.send(None)
