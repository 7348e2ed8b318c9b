"""Two projects that apply at the same moment, or are killed on the way: neither loses what it has."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from crypto_features.lake.pins import pin
from crypto_features.settings import Settings
from crypto_features.store import FeastResource, NotAppliedError, session
from crypto_features.store.feast_objects import feast_objects
from crypto_features.store.sharing import consumers
from tests.servers import new_database

from .conftest import DESK, ROOT, desk, environment, owner, registered

APPLY = "from crypto_features.store import FeastResource; FeastResource().apply()"
DIE = """
import os, signal, sys
from crypto_features.store.shared_registry import SharedSqlRegistry
left, register = [int(sys.argv[1])], SharedSqlRegistry._apply_object
def registered(self, *args, **kwargs):
    found = register(self, *args, **kwargs)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
SharedSqlRegistry._apply_object = registered
"""
"""Before `APPLY`: the process is killed once it registered so many objects."""


@pytest.fixture(params=["sqlite", "postgres"])
def _settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables: Mapping[str, str] = {}
    if request.param == "postgres":
        address = new_database(request.getfixturevalue("postgres"))
        variables = {"CRYPTO_FEATURES_STORE": "postgres", "CRYPTO_FEATURES_POSTGRES_URL": address}
    environment(monkeypatch, tmp_path, variables)


def applying(folder: Path, catalog: str, *, killed_after: int = 0) -> "subprocess.Popen[str]":
    """A process that applies a catalog, and may be killed on the way."""
    program = f"{DIE}\n{APPLY}" if killed_after else APPLY
    places = os.pathsep.join([str(ROOT), str(DESK)])
    variables = {"CRYPTO_FEATURES_CATALOG": catalog, "PYTHONPATH": places}
    command = [sys.executable, "-c", program, str(killed_after)]
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True)


@pytest.mark.usefixtures("_settings")
def test_two_processes_of_two_projects_apply_at_once_to_a_registry_that_is_not_there_yet() -> None:
    projects = [(ROOT, "tests.sharing.owner:catalog"), (DESK, "tests.sharing.neighbour:catalog")]
    running = [applying(*project) for project in projects * 2]
    failed = [error for one in running if (error := one.communicate(timeout=200)[1]) and one.returncode]
    assert failed == []
    with owner():
        assert [line for line in registered() if " v" in line] == ["price_features v0"]
    with desk("tests.sharing.neighbour:catalog"):
        assert [line for line in registered() if " v" in line] == ["volume_features v0"]


@pytest.mark.usefixtures("_settings")
def test_an_apply_that_is_killed_changes_nothing_of_another_project_and_holds_nobody_up() -> None:
    with owner():
        FeastResource().apply()
        before = registered()
    with desk():
        FeastResource().apply()
        applied = registered()
    for objects in (2, 6):
        one = applying(DESK, "tests.sharing.neighbour:catalog", killed_after=objects)
        error = one.communicate(timeout=200)[1]
        assert one.returncode == -signal.SIGKILL, error
    with owner():
        assert registered() == before
        FeastResource().apply()
    with desk():
        FeastResource().apply()
        assert registered() == applied


@pytest.mark.usefixtures("_settings")
def test_a_view_that_its_owner_drops_while_another_project_borrows_it_is_not_borrowed() -> None:
    with owner():
        FeastResource().apply()
    with desk():
        settings = Settings.load()
        declared = feast_objects(settings.root, settings.interval)
    with owner("without"):
        FeastResource().apply()
    with desk():
        with pytest.raises(
            NotAppliedError,
            match=r"removed or replaced v0 of price_features in the registry at .+ while it was borrowed here",
        ):
            session.feature_store().apply(list(declared.objects.values()))
        assert consumers(session.feature_store().registry, "crypto_features", "price_features") == []
        assert pin(settings.root, "my_desk", "price_features") == ""
