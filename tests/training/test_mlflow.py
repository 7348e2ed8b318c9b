"""A training set is logged to MLflow in one call, and MLflow calls nobody."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from crypto_features.errors import InputError
from crypto_features.training import TrainingData, load, log_to_mlflow
from crypto_features.training.build import build
from crypto_features.training.croissant import OWN
from crypto_features.training.folder import MANIFEST, SetFolder
from tests.training.folder_of_sets import NOW, Folder
from tests.training.sets_catalog import barriers

ALONE = """\
import socket, sys
asked = []
def refused(*arguments, **_):
    asked.append(arguments)
    raise OSError("no network here")
socket.getaddrinfo = socket.socket.connect = socket.socket.connect_ex = refused

import crypto_features, crypto_features.definitions, crypto_features.training
from crypto_features.training import load, log_to_mlflow
data = load(sys.argv[1])
assert not [name for name in sys.modules if name.partition(".")[0] == "mlflow"], "mlflow was imported"
log_to_mlflow(data)
import mlflow, threading
mlflow.end_run()
for thread in threading.enumerate():
    if thread.name == "GetTelemetryConfig":
        thread.join()
assert not asked, asked
"""


@pytest.fixture(scope="module")
def data(filled: Folder, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    path = tmp_path_factory.mktemp("logged") / "set"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYPTO_FEATURES_CLOCK", NOW.isoformat())
        build(filled.origin(barriers), SetFolder(UPath(path)))
    return load(path)


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """MLflow, which keeps its runs in a folder of this test."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    import mlflow

    yield mlflow
    mlflow.end_run()


def test_the_active_run_has_the_set_as_its_input(data: TrainingData, mlflow: Any) -> None:
    with mlflow.start_run() as run:
        dataset = log_to_mlflow(str(data.path))
        mlflow.log_metric("loss", 0.5, dataset=dataset)
    (logged,) = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("barriers", data.digest[:36])
    assert {tag.key: tag.value for tag in logged.tags} == {
        "mlflow.data.context": "training",
        "moves:range_1": data.manifest["fingerprints"]["moves:range_1"],
    }
    found = load(mlflow.data.get_source(logged).load())
    assert found.digest == data.digest
    assert json.loads(logged.dataset.source) == {"uri": f"file://{data.path}"}


def test_schema_and_profile_say_what_the_rows_are(data: TrainingData, mlflow: Any) -> None:
    log_to_mlflow(data, context="validation")
    (logged,) = mlflow.get_run(mlflow.active_run().info.run_id).inputs.dataset_inputs
    assert logged.tags[0].value == "validation"
    columns = json.loads(logged.dataset.schema)["mlflow_colspec"]
    rows = data.polars()
    assert [(one["name"], one["type"]) for one in columns] == [
        ("symbol", "string"),
        ("event_timestamp", "datetime"),
        ("range_1", "double"),
        ("barrier_5d", "integer"),
        ("barrier_5d_known_at", "datetime"),
        ("barrier_5d_return", "double"),
    ]
    profile = json.loads(logged.dataset.profile)
    assert (profile["num_rows"], profile["num_elements"], profile["symbols"]) == (rows.height, rows.height * 6, 3)
    assert profile["features"] == {"moves": ["range_1"]}
    assert profile["label"]["without"]["both barriers within one candle"] == 1
    assert profile["label"]["undecided"] == pytest.approx(0.0047, abs=5e-5)
    assert profile["digest"] == data.digest


def test_a_column_of_lists_has_the_type_of_its_values() -> None:
    from mlflow.types import DataType
    from mlflow.types.schema import Array

    from crypto_features.training.mlflow_dataset import _type

    assert _type("List(Float32)") == Array(DataType.float)
    assert _type("List(Datetime(time_unit='us', time_zone='UTC'))") == Array(DataType.datetime)


def test_a_manifest_that_was_changed_is_not_logged(data: TrainingData, tmp_path: Path) -> None:
    document = json.loads((data.path / MANIFEST).read_text())
    document[OWN]["digest"] = "0" * 64
    (tmp_path / MANIFEST).write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"was changed after it was written; crypto-features training-set verify"):
        log_to_mlflow(tmp_path)


def test_a_place_that_mlflow_does_not_know_is_named(data: TrainingData, mlflow: Any) -> None:
    place = UPath("memory://sets/barriers")
    (place / MANIFEST).write_text((data.path / MANIFEST).read_text())
    with pytest.raises(InputError, match="no source of the kind 'memory'"):
        log_to_mlflow(place)
    assert mlflow.active_run() is None


def test_without_mlflow_one_line_says_what_to_install(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(InputError) as caught:
        log_to_mlflow(data)
    assert str(caught.value) == "log_to_mlflow needs MLflow: pip install 'crypto-features[mlflow]'"


def test_mlflow_is_imported_by_the_call_alone_and_calls_nobody(data: TrainingData, tmp_path: Path) -> None:
    """Outside of pytest and CI, where MLflow would not report its use anyway."""
    spoken = {"CI", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"}
    environment = {name: value for name, value in os.environ.items() if name not in spoken}
    command = [sys.executable, "-c", ALONE, str(data.path)]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    with sqlite3.connect(tmp_path / "mlflow.db") as stored:
        rows = stored.execute("SELECT name, digest, dataset_source_type FROM datasets").fetchall()
    stored.close()
    assert rows == [("barriers", data.digest[:36], "local")]
