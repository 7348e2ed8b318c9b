"""What is kept of old versions is listed with who reads it, and only what nobody reads is deleted."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crypto_features.cli import app
from crypto_features.settings import Settings
from crypto_features.store import FeastResource, session
from crypto_features.store.offline.pinned import behaviour_of
from crypto_features.tables.catalog import Catalog
from crypto_features.tables.service import FeatureService

from .conftest import desk, environment, owner
from .owner import upgraded

pinning = Catalog(
    *upgraded.groups.values(),
    FeatureService("old_features", "Reads the version before.", {"price_features": ("rsi_14",)}, {"price_features": 0}),
)
"""The owner's catalog with a service that reads the version before."""


def folders(*arguments: str) -> Mapping[str, str]:
    """What the command says of each folder, by its behaviour."""
    done = CliRunner().invoke(app, ["old-versions", *arguments])
    assert done.exit_code == 0, done.output
    lines = [line.partition(": ") for line in done.output.splitlines() if line.startswith("price_features@")]
    return {name.partition("@")[2]: text.partition("MB, ")[2] for name, _, text in lines}


def kept(behaviour: str) -> Path:
    """A folder of a version with one file."""
    folder = Path(str(Settings.load().root)) / f"price_features@{behaviour}"
    folder.mkdir(exist_ok=True)
    (folder / "2024-01.parquet").write_bytes(b"rows")
    return folder


@pytest.mark.parametrize("reader", ["my_desk", "service old_features of crypto_features"])
def test_only_what_nobody_reads_is_deleted(reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, tmp_path)
    with owner():
        FeastResource().apply()
        behaviour = behaviour_of(session.feature_store().get_feature_view("price_features"))
    old, other = kept(behaviour), kept("0" * 12)
    if reader == "my_desk":
        with desk():
            FeastResource().apply()
    else:
        monkeypatch.setattr("tests.sharing.owner.pinning", pinning, raising=False)
        with owner("upgraded"):
            FeastResource().apply()
        with owner("pinning"):
            FeastResource().apply()
    with owner():
        expected = {behaviour: f"read by {reader}", "0" * 12: "read by nobody"}
        assert folders() == expected
        assert folders("--delete") == {**expected, "0" * 12: "read by nobody, deleted"}
        assert (old.exists(), other.exists()) == (True, False)
        assert folders("--delete") == {behaviour: f"read by {reader}"}
    if reader == "my_desk":
        with desk("tests.sharing.neighbour:catalog"):
            FeastResource().apply()
        with owner():
            folders("--delete")
        assert not old.exists()


def test_without_a_registry_nothing_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, tmp_path)
    folder = kept("0" * 12)
    with owner():
        done = CliRunner().invoke(app, ["old-versions", "--delete"])
    assert done.exit_code == 1
    assert "there is no registry" in done.output
    assert folder.exists()
