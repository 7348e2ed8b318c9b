"""Changes of files in a folder as Linux reports them: nothing is done while nothing changes."""

import asyncio
import ctypes
import os
from contextlib import suppress
from pathlib import Path
from time import monotonic

_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100
"""Bits of inotify(7)."""
_MOST_BYTES = 1 << 16


class Changes:
    """Notes when a file was written to whose name begins so, in the event loop that runs.

    Args:
        beginning: The path, without what may follow: SQLite's log is `online.db-wal`.

    Raises:
        OSError: if this system does not report changes.

    Attributes:
        at: When the last one was reported, on the monotonic clock.
    """

    def __init__(self, beginning: Path) -> None:
        self._name, self._loop, self._event = os.fsencode(beginning.name), asyncio.get_running_loop(), asyncio.Event()
        self.at = float("-inf")
        library = ctypes.CDLL(None, use_errno=True)
        if not hasattr(library, "inotify_init1"):
            raise OSError("only Linux has inotify")
        self._file = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        folder = os.fsencode(beginning.absolute().parent)
        if library.inotify_add_watch(self._file, folder, _MODIFY | _MOVED_TO | _CREATE) < 0:
            error = ctypes.get_errno()
            os.close(self._file)
            raise OSError(error, os.strerror(error))
        self._loop.add_reader(self._file, self._read)

    async def wait(self, seconds: float) -> None:
        """Return once a change was reported since the last return, and after so many seconds at the latest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()

    def close(self) -> None:
        """Report no more."""
        self._loop.remove_reader(self._file)
        os.close(self._file)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            if self._name in os.read(self._file, _MOST_BYTES):
                self.at = monotonic()
                self._event.set()
