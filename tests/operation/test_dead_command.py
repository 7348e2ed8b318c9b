"""A command that executes a run and dies: the run is known to be over, so that what waits for it goes on."""

import os
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus

from crypto_features.host.process import TAG, is_gone, this_process
from crypto_features.host.run_launcher import WatchedRunLauncher


def described_by_another() -> str:
    """What another process says of itself before it ends."""
    code = "from crypto_features.host.process import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def health(tags: dict[str, str]) -> WorkerStatus:
    with dg.instance_for_test() as instance:
        run = instance.create_run_for_job(dg.job(name="j")(lambda: None), tags=tags)
        return WatchedRunLauncher().check_run_worker_health(run).status


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
