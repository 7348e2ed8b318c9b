"""One Dagster with a daemon, a web server and both projects as code locations, as the example's README has it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from crypto_features.host.instance import dagster_environment
from crypto_features.settings import Settings

from .conftest import DESK, ROOT, environment

SECONDS = 400
"""How long each step may take on a busy machine."""
OURS = ["my_desk/feast_registry", "momentum", "online_store/momentum", "training/my_desk/momentum_features"]


@pytest.fixture
def owners_folder(tmp_path: Path) -> Path:
    """The folder of a project that owns the price features, in which nothing is installed."""
    folder = tmp_path / "owner"
    (folder / "feature_repo").mkdir(parents=True)
    (folder / "small.py").write_text((ROOT / "tests/sharing/owner.py").read_text())
    yaml_text = (ROOT / "feature_repo/feature_store.yaml").read_text()
    (folder / "feature_repo/feature_store.yaml").write_text(yaml_text)
    (folder / "pyproject.toml").write_text(
        '[project.entry-points."crypto_features.catalogs"]\nsmall = "small:catalog"\n'
    )
    return folder


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """What both projects, Dagster and its daemon are started with."""
    environment(monkeypatch, tmp_path / "data")
    monkeypatch.setenv("CRYPTO_FEATURES_START", "2024-02")
    monkeypatch.setenv("CRYPTO_FEATURES_LOOK_EVERY", "2s")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    found = {**os.environ, **dagster_environment(Settings.load()), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    configuration = Path(found["DAGSTER_HOME"]) / "dagster.yaml"
    quick = "run_queue:\n  dequeue_interval_seconds: 1\n"
    configuration.write_text(configuration.read_text().replace("run_queue:\n", quick))
    return found


@contextmanager
def running(command: list[str], folder: Path, variables: Mapping[str, str], log: Path) -> Iterator[None]:
    """A program of this environment, with whatever it starts, until the block ends."""
    program = str(Path(sys.executable).with_name(command[0]))
    with log.open("ab") as file:
        process = subprocess.Popen(
            [program, *command[1:]], cwd=folder, env=variables, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def url(owners_folder: Path, variables: Mapping[str, str], tmp_path: Path) -> Iterator[str]:
    """Address of the web server, once the owner ran."""
    program = str(Path(sys.executable).with_name("crypto-features"))
    owner = subprocess.run([program, "run"], cwd=owners_folder, env=variables, capture_output=True, check=False)
    assert owner.returncode == 0, owner.stderr.decode()
    code, web = _free_ports(2)
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text((DESK / "workspace.yaml").read_text().replace("4266", str(code)))
    (line,) = re.findall(r"^\$ (dagster api grpc .+)$", (DESK / "README.md").read_text(), re.MULTILINE)
    serve = line.replace("4266", str(code)).split()
    dev = ["dagster", "dev", "--workspace", str(workspace), "--host", "127.0.0.1", "--port", str(web)]
    log = tmp_path / "log"
    with running(serve, owners_folder, variables, log), running(dev, DESK, variables, log):
        yield f"http://127.0.0.1:{web}/graphql"


def materialize(url: str, asset: str, month: str) -> None:
    """Start a run of one asset in the first project, as its page in the UI does."""
    repository = 'repositoryLocationName: "crypto_features", repositoryName: "__repository__"'
    answer = ask(
        url,
        f'mutation {{launchRun(executionParams: {{selector: {{{repository}, jobName: "__ASSET_JOB", '
        f'assetSelection: [{{path: ["{asset}"]}}]}}, executionMetadata: {{tags: [{{key: "dagster/partition", '
        f'value: "{month}"}}]}}}}) {{__typename ... on PythonError {{message}}}}}}',
    )
    assert answer["launchRun"]["__typename"] == "LaunchRunSuccess", answer


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        free = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in free]


def ask(url: str, question: str) -> Any:
    body = json.dumps({"query": question}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - our own loopback.
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above.
        return json.load(answer)["data"]


def assets(url: str) -> dict[str, Any]:
    """Each asset by its name: its location, what is above and below it, and what was materialized."""
    try:
        nodes = ask(
            url,
            "{assetNodes {assetKey {path} isExecutable repository {location {name}} dependencyKeys {path}"
            " dependedByKeys {path} assetMaterializations(limit: 1) {partition runId}}}",
        )["assetNodes"]
    except OSError:  # it is still starting.
        return {}
    return {"/".join(node["assetKey"]["path"]): node for node in nodes}


def wait_for(url: str, log: Path, before: Mapping[str, str]) -> dict[str, Any]:
    """All assets, once the newest run of each of some is another one than before."""
    until, found = time.monotonic() + SECONDS, dict[str, Any]()
    while time.monotonic() < until:
        found = assets(url)
        if all(run_of(found, name) not in ("", run) for name, run in before.items()):
            return found
        time.sleep(1)
    raise AssertionError(f"{ {name: run_of(found, name) for name in before} }\n{log.read_text()[-3000:]}")


def run_of(found: Mapping[str, Any], name: str) -> str:
    made = found.get(name, {}).get("assetMaterializations")
    return str(made[0]["runId"]) if made else ""


def names(keys: list[dict[str, Any]]) -> set[str]:
    return {"/".join(key["path"]) for key in keys}


@pytest.mark.timeout(1800)
def test_the_second_project_follows_the_first_and_the_lineage_runs_across_both(url: str, tmp_path: Path) -> None:
    found = wait_for(url, tmp_path / "log", dict.fromkeys(OURS, ""))
    locations = {name: node["repository"]["location"]["name"] for name, node in found.items()}
    assert {locations[name] for name in OURS} == {"my_desk"}
    assert locations["price_features"] == locations["daily_candles"] == "crypto_features"
    assert {"momentum", "training/my_desk/momentum_features"} <= names(found["price_features"]["dependedByKeys"])
    assert {"price_features", "daily_candles"} <= names(found["momentum"]["dependencyKeys"])
    assert "feast_registry" in names(found["my_desk/feast_registry"]["dependencyKeys"])

    before = {name: run_of(found, name) for name in ("price_features", "momentum")}
    materialize(url, "price_features", "2024-02")
    wait_for(url, tmp_path / "log", before)
    statuses = ask(url, "{runsOrError(limit: 50) {... on Runs {results {status}}}}")["runsOrError"]["results"]
    assert {run["status"] for run in statuses}.isdisjoint({"FAILURE", "CANCELED"})
