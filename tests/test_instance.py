"""Dagster's home holds our configuration whole, whatever happened to the disk."""

from importlib.resources import files
from pathlib import Path

import pytest

from crypto_features.instance import dagster_home
from crypto_features.settings import Settings

OURS = (files("crypto_features") / "dagster.yaml").read_text()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("found", ["", "\n"])
def test_an_empty_configuration_is_written_again(home: Path, found: str) -> None:
    home.mkdir()
    (home / "dagster.yaml").write_text(found)
    assert dagster_home(Settings.load()) == home
    assert (home / "dagster.yaml").read_text() == OURS


def test_a_configuration_of_ones_own_stays(home: Path) -> None:
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}")
    dagster_home(Settings.load())
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}"


def test_a_full_disk_leaves_no_half_configuration(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            dagster_home(Settings.load())
    assert list(home.iterdir()) == []
    dagster_home(Settings.load())
    assert (home / "dagster.yaml").read_text() == OURS
