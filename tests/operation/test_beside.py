"""A command that runs beside another process: again after it failed, and not longer than that one lives."""

import os
import threading
from pathlib import Path

import pytest

from crypto_features.host.beside import run_beside
from tests.live.test_live_command import until

SCRIPT = """
trap "echo ended >> runs; exit 0" TERM
echo run >> runs
test "$(wc -l < runs)" -lt 3 && exit 1
while :; do sleep 0.02; done
"""


def test_a_command_that_fails_is_run_again_and_ended_with_the_process_it_belongs_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lifeline, held = os.pipe()
    beside = threading.Thread(target=run_beside, args=(["sh", "-c", SCRIPT], lifeline, [0.01]))
    beside.start()
    runs = tmp_path / "runs"
    until(lambda: runs.exists() and runs.read_text() == "run\n" * 3, "it is run a third time", 120)
    os.close(held)
    beside.join(120)
    assert runs.read_text() == "run\n" * 3 + "ended\n"


def test_a_command_that_ended_by_its_own_will_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lifeline, held = os.pipe()
    run_beside(["sh", "-c", "echo run >> runs"], lifeline, [0.01])
    os.close(held)
    assert (tmp_path / "runs").read_text() == "run\n"
