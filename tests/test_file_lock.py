"""One process at a time, and a word where there is no such thing."""

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from crypto_features.errors import SettingsError, TransientError
from crypto_features.file_lock import file_lock

BUSY = TransientError("another one writes")


def test_a_second_one_waits_and_is_told_who_is_busy(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    told = pytest.raises(TransientError, match="another one writes")
    with file_lock(lock, 1, BUSY), told, file_lock(lock, 0.1, BUSY):
        pass
    with file_lock(tmp_path / "lock", 0, BUSY):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refused)
    began = time.monotonic()
    for _ in range(2):  # the second one finds the file of the first.
        told = pytest.raises(SettingsError, match=r"the file system of .*lock has no locks")
        with told, file_lock(tmp_path / "lock", 60, BUSY):
            pass
    assert time.monotonic() - began < 5


def test_another_fault_of_the_disk_is_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError), file_lock(tmp_path / "file" / "lock", 0, BUSY):
        pass
