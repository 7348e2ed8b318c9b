"""A platform that `crypto-features run` built once; each test has it whole, at the same path, to break it."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto_features.store import session

PROGRAM = Path(sys.executable).with_name("crypto-features")
NOW = datetime(2024, 2, 10, 5, 30, tzinfo=UTC)


def surround(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """The settings of the platform in a folder."""
    patch.setenv("CRYPTO_FEATURES_DATA", str(folder))
    patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
    patch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
    patch.setenv("CRYPTO_FEATURES_SYMBOLS", "BTC,ETH")
    patch.setenv("CRYPTO_FEATURES_START", "2024-01")
    patch.setenv("COLUMNS", "80")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, with a copy beside it."""
    folder = tmp_path_factory.mktemp("platform") / "data"
    with pytest.MonkeyPatch.context() as patch:
        surround(patch, folder)
        # A process of its own leaves no file open.
        subprocess.run([PROGRAM, "run"], env=os.environ, capture_output=True, check=True)
    shutil.copytree(folder, folder.with_name("copy"))
    return folder


@pytest.fixture
def platform(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as it was built, whose settings hold for this test."""
    surround(monkeypatch, built)
    shutil.rmtree(built)
    shutil.copytree(built.with_name("copy"), built)
    session._stores.clear()
    return built


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Each file with its size and the time of its last change."""
    found = {str(path.relative_to(folder)): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}
