"""What disk and database refuse ends a command in one line, with exit code 1; a fault of ours keeps its traceback."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from crypto_features.cli import app
from crypto_features.ingest import ingest as ingest_module


@pytest.fixture(autouse=True)
def _two_months(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC")
    monkeypatch.setenv("CRYPTO_FEATURES_CLOCK", "2024-02-10")


def failed() -> str:
    """The one line of `fetch`."""
    result = CliRunner().invoke(app, ["fetch"])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.stderr
    return result.stderr


def test_a_full_disk_is_named_and_nothing_is_left_on_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert failed() == (
        "Error: the disk is full. Make room, and start again; what is written goes to "
        f"CRYPTO_FEATURES_DATA={tmp_path / 'data'}.\n"
    )
    assert [path for path in (tmp_path / "data").rglob("*.tmp") if path.is_file()] == []


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            "/x may not be read or written (Permission denied).",
        ),
        (OSError(errno.EROFS, "Read-only file system", "/x"), "/x may not be read or written (Read-only file system)."),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x"), "/x: Not a directory."),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/x"), "the disk is full, at /x. Make room"),
        (OSError("the connection broke\nhere"), "the connection broke."),
        (sqlite3.OperationalError("database or disk is full"), "the database says: database or disk is full. Mind"),
        (OperationalError("SELECT 1", {}, Exception("disk I/O error")), "the database says: (builtins.Exception) disk"),
    ],
)
def test_what_the_system_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch, fault: Exception, line: str) -> None:
    def ingest(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(ingest_module, "ingest", ingest)
    assert failed().startswith(f"Error: {line}")


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def ingest(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ingest_module, "ingest", ingest)
    assert isinstance(CliRunner().invoke(app, ["fetch"]).exception, ZeroDivisionError)


def test_a_data_folder_below_a_file_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CRYPTO_FEATURES_DATA", str(tmp_path / "file" / "data"))
    assert failed().startswith(f"Error: CRYPTO_FEATURES_DATA: {tmp_path / 'file'} is a file; expected a folder")
