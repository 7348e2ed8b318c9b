"""Dagster's home holds our configuration whole, whatever happened to the disk."""

from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest

from crypto_features.errors import SettingsError
from crypto_features.host.instance import DATABASES, dagster_environment, dagster_home
from crypto_features.settings import Settings


@dg.asset
def made() -> None:
    """Nothing, so that Dagster writes its databases."""


OURS = (files("crypto_features.host") / "dagster.yaml").read_text()


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
        with pytest.raises(
            SettingsError, match=r"home, where Dagster .* \(No space left on device\); set DAGSTER_HOME"
        ):
            dagster_home(Settings.load())
    assert list(home.iterdir()) == []
    dagster_home(Settings.load())
    assert (home / "dagster.yaml").read_text() == OURS


def test_a_relative_home_starts_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "home")
    assert dagster_environment(Settings.load())["DAGSTER_HOME"] == str(tmp_path / "home")


@pytest.mark.parametrize(("named", "why"), [("file", "File exists"), ("file/home", "Not a directory")])
def test_a_home_that_cannot_be_created_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, why: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / named))
    with pytest.raises(SettingsError, match=f"{named}, where Dagster keeps its runs, .*{why}"):
        dagster_home(Settings.load())


def test_a_configuration_of_version_0_1_finds_our_modules_where_they_are_now(home: Path) -> None:
    home.mkdir()
    (home / "dagster.yaml").write_text(OURS.replace("crypto_features.host.", "crypto_features."))
    dagster_home(Settings.load())
    assert (home / "dagster.yaml").read_text() == OURS


@pytest.mark.parametrize("name", [*DATABASES, "dagster.yaml"])
def test_a_damaged_file_is_named_with_what_it_knows_and_what_to_do(home: Path, name: str) -> None:
    dagster_home(Settings.load())
    with dg.DagsterInstance.get() as instance:
        dg.materialize([made], instance=instance)
    assert dagster_home(Settings.load()) == home  # a whole one is none of them.
    file = home / name
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] if file.suffix == ".db" else b"storage: {custom: [" * 9)
    for log in home.rglob("*.db-wal"):
        log.unlink()
    with pytest.raises(SettingsError, match=rf"{name} is damaged\. It .*mv .*{name} .*{name}\.damaged"):
        dagster_home(Settings.load())
    file.rename(f"{file}.damaged")
    assert dagster_home(Settings.load()) == home
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() >= 0
