"""A command that executes a run and dies: the run is known to be over, so that what waits for it goes on."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.server import wait_for_grpc_server

from crypto_features.host.dagster_private import WorkerStatus
from crypto_features.host.process import TAG, is_gone, this_process
from crypto_features.host.run_launcher import PATIENCE, WatchedRunLauncher


def described_by_another() -> str:
    """What another process says of itself before it ends."""
    code = "from crypto_features.host.process import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def health(tags: dict[str, str]) -> WorkerStatus:
    with dg.instance_for_test() as instance:
        run = instance.create_run_for_job(dg.job(name="j")(lambda: None), tags=tags)
        return WatchedRunLauncher().check_run_worker_health(run).status


@pytest.fixture
def code_server(tmp_path: Path) -> Iterator[str]:
    """The socket of a code server that launched no run."""
    code, socket = tmp_path / "code.py", str(tmp_path / "socket")
    code.write_text("import dagster as dg\ndefs = dg.Definitions()\n")
    command = [sys.executable, "-m", "dagster", "api", "grpc", "--socket", socket, "--python-file", str(code)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        wait_for_grpc_server(process, DagsterGrpcClient(socket=socket, host="localhost"), command)
        yield socket
        process.kill()  # one that is still starting may not heed a request to end.


def polled(address: dict[str, object], times: int) -> list[WorkerStatus]:
    """The health of a run that a code server at this address launched, at each of so many polls."""
    with dg.instance_for_test() as instance:
        tags = {GRPC_INFO_TAG: json.dumps({"host": "localhost", **address})}
        run = instance.create_run_for_job(dg.job(name="j")(lambda: None), tags=tags)
        launcher = WatchedRunLauncher()
        launcher.register_instance(instance)
        return [launcher.check_run_worker_health(run).status for _ in range(times)]


def test_a_run_whose_code_server_answers_nobody_is_gone_after_a_while(tmp_path: Path) -> None:
    silent = polled({"socket": str(tmp_path / "nobody")}, PATIENCE)
    assert silent == [WorkerStatus.RUNNING] * (PATIENCE - 1) + [WorkerStatus.NOT_FOUND]


def test_a_run_that_a_code_server_does_not_know_is_gone(code_server: str) -> None:
    assert polled({"socket": code_server}, 1) == [WorkerStatus.NOT_FOUND]


def test_a_run_goes_on_while_its_command_does() -> None:
    assert health({TAG: this_process()}) is WorkerStatus.RUNNING


def test_a_run_whose_command_was_killed_is_gone() -> None:
    assert health({TAG: described_by_another()}) is WorkerStatus.NOT_FOUND


def test_a_later_process_with_the_same_id_is_another_one() -> None:
    assert not is_gone(this_process())
    assert is_gone(described_by_another().replace('"pid": ', f'"pid": {os.getpid()}, "was": '))


@pytest.mark.parametrize("tags", [{}, {TAG: '{"host": "elsewhere", "pid": 1, "started": "1"}'}], ids=["none", "host"])
def test_what_this_machine_cannot_know_counts_as_alive(tags: dict[str, str]) -> None:
    assert health(tags) is WorkerStatus.RUNNING
