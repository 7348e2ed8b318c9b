"""What Feast's own commands do to two projects of one registry."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crypto_features.errors import CryptoFeaturesError, InputError, UnknownNameError
from crypto_features.store import ConsumedError, FeastResource, NotAppliedError, session
from crypto_features.store.sharing import consumers
from crypto_features.tables.borrowed import Borrowed
from tests.sharing import foreign

from .conftest import DESK, ROOT, desk, environment, owner, registered


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, tmp_path)


def feast(folder: Path, catalog: str, *command: str) -> "subprocess.CompletedProcess[str]":
    """A command of Feast in the repository of a project."""
    variables = {"CRYPTO_FEATURES_CATALOG": catalog, "PYTHONPATH": os.pathsep.join([str(ROOT), str(DESK), *sys.path])}
    program = [sys.executable, "-c", "from feast.cli.cli import cli; cli()", *command]
    where = folder / "feature_repo"
    return subprocess.run(
        program, cwd=where, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


def test_feast_apply_and_teardown_change_their_own_project_only() -> None:
    first, second = (ROOT, "tests.sharing.owner:catalog"), (DESK, "my_desk:catalog")
    for folder, catalog in (first, second):
        done = feast(folder, catalog, "apply")
        assert done.returncode == 0, done.stderr
    with owner():
        owners = registered()
    with desk():
        desks = registered()
    again = feast(*first, "apply")
    assert again.returncode == 0, again.stderr
    refused = feast(*first, "teardown")
    assert "price_features of crypto_features is read by my_desk (v0, service momentum_features)" in refused.stderr
    dropped = feast(ROOT, "tests.sharing.owner:without", "apply")
    assert "price_features of crypto_features is read by my_desk" in dropped.stderr
    with desk():
        assert registered() == desks
    gone = feast(*second, "teardown")
    assert gone.returncode == 0, gone.stderr
    with owner():
        store = session.feature_store()
        assert registered() == owners, "what was refused registered nothing"
        assert consumers(store.registry, "crypto_features", "price_features") == []
    with owner("without"):
        FeastResource().apply()


@pytest.mark.parametrize(
    ("catalog", "error", "message"),
    [
        (
            "missing",
            NotAppliedError,
            r"nothing_such is borrowed .* registered no such view in the registry at .*registry\.db",
        ),
        (
            "old",
            NotAppliedError,
            r"v7 of price_features is borrowed .*, which has v0 of it in the registry at .*registry\.db",
        ),
        ("feature", UnknownNameError, r"ma_20"),
        ("kind", InputError, r"price_features.rsi_14 of crypto_features is Float64; declare its type"),
        ("ttl", InputError, r"price_features of crypto_features has the TTL 1 day, .* and 2 days, .* is declared here"),
    ],
)
def test_an_apply_refuses_what_the_owner_has_otherwise(
    catalog: str, error: type[CryptoFeaturesError], message: str
) -> None:
    assert isinstance(getattr(foreign, catalog).views.popitem()[1], Borrowed)
    with owner():
        FeastResource().apply()
    with desk(f"tests.sharing.foreign:{catalog}"), pytest.raises(error, match=message):
        FeastResource().apply()


def test_nothing_is_borrowed_before_its_owner_applied() -> None:
    with desk(), pytest.raises(NotAppliedError, match="run `feast apply` there first"):
        FeastResource().apply()


def test_the_configuration_of_feast_names_the_project_of_the_catalog() -> None:
    with desk("tests.sharing.owner:catalog"), pytest.raises(CryptoFeaturesError, match="says project: my_desk, and"):
        FeastResource().apply()


def test_a_view_that_is_read_is_not_deleted_one_by_one() -> None:
    with owner():
        FeastResource().apply()
    with desk():
        FeastResource().apply()
    with owner():
        registry = session.feature_store().registry
        with pytest.raises(ConsumedError):
            registry.delete_feature_view("price_features", "crypto_features")
        with pytest.raises(ConsumedError):
            registry.delete_project("crypto_features")
