"""Hold a lock file, which the end of a process gives back whatever ends it."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from crypto_features.errors import CryptoFeaturesError, SettingsError

_NONE = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)


@contextmanager
def file_lock(path: Path | str, seconds: float, busy: CryptoFeaturesError) -> Iterator[None]:
    """Be the only one who holds this file.

    Args:
        path: The file, whose folder is there; it stays when the lock is given back.
        seconds: How long to wait for another process.
        busy: What is raised if that one does not end.

    Raises:
        SettingsError: if the file system has no locks.
    """
    lock = filelock.FileLock(path, timeout=seconds, fallback_to_soft=False)
    try:
        held = lock.acquire()
    except filelock.Timeout:
        raise busy from None
    except OSError as error:
        if error.errno not in _NONE:
            raise
        raise SettingsError(
            f"the file system of {path} has no locks ({error.strerror}), without which two processes would write over "
            "each other; put the data folder on another one, such as a local disk."
        ) from None
    with held:
        yield
