"""The run launcher of `dagster.yaml`: Dagster's default one, and it knows when a run's process is gone.

With the default launcher a run stays "started" forever when its code server is killed, and holds its place in every
pool. Here run monitoring asks the code server that launched the run; a run that it does not know is failed, and run
retries start it again. A run that `crypto-features run` or `plan --run` executes is failed once that process is gone.
"""

from typing import Any

from dagster import DagsterRun, DefaultRunLauncher, deserialize_value

from crypto_features.host.dagster_private import (
    CanCancelExecutionRequest,
    CanCancelExecutionResult,
    CheckRunHealthResult,
    DagsterUserCodeUnreachableError,
    WorkerStatus,
    code_server,
)
from crypto_features.host.process import TAG, is_gone

TIMEOUT_SECONDS = 10
PATIENCE = 3
"""Polls in a row without an answer after which the code server, and its runs with it, count as gone."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches a run as a process of the code server, and tells whether it is still alive."""

    _silent: dict[str, int]

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the code server that launched the run still has its process."""
        process = run.tags.get(TAG)
        if process is not None and is_gone(process):
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the command that executed the run is gone")
        server = code_server(self, run.run_id)
        if server is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "executed by a command, not by a code server")
        silent = self.__dict__.setdefault("_silent", {})
        try:
            alive = _knows(server, run.run_id)
        except DagsterUserCodeUnreachableError:
            silent[run.run_id] = silent.get(run.run_id, 0) + 1
            if silent[run.run_id] < PATIENCE:
                return CheckRunHealthResult(WorkerStatus.RUNNING, "the code server does not answer")
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server that launched the run is gone")
        silent.pop(run.run_id, None)
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the code server was restarted and does not know the run")


def _knows(server: Any, run_id: str) -> bool:
    answer = server.can_cancel_execution(CanCancelExecutionRequest(run_id=run_id), timeout=TIMEOUT_SECONDS)
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel
