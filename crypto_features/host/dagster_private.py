"""The private names of Dagster that this project stands on, in one place.

A contract test says what breaks without each. What a class of ours overrides or calls on itself stands in that class,
and in the same test.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dagster._core.definitions.run_request import InstigatorType
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    REPOSITORY_LABEL_TAG,
)
from dagster._serdes import ConfigurableClassData
from dagster._time import get_current_datetime

if TYPE_CHECKING:
    from dagster._core.execution.stats import StepEventStatus
    from dagster._core.scheduler.instigation import TickStatus
    from dagster._core.storage.event_log import SqliteEventLogStorage
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
    from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "REPOSITORY_LABEL_TAG",
    "CanCancelExecutionRequest",
    "CanCancelExecutionResult",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "DagsterSqliteStorage",
    "DagsterUserCodeUnreachableError",
    "InstigatorType",
    "SqliteEventLogStorage",
    "StepEventStatus",
    "TickStatus",
    "WorkerStatus",
    "code_server",
    "get_current_datetime",
    "run_dev",
    "run_web_server",
]

_LATE = {
    "CanCancelExecutionRequest": "dagster._grpc.types",
    "CanCancelExecutionResult": "dagster._grpc.types",
    "DagsterSqliteStorage": "dagster._core.storage.sqlite_storage",
    "SqliteEventLogStorage": "dagster._core.storage.event_log",
    "StepEventStatus": "dagster._core.execution.stats",
    "TickStatus": "dagster._core.scheduler.instigation",
}
"""What `import dagster` leaves out, and what takes 0.1 s and more to import: imported when it is first asked for."""


def code_server(launcher: Any, run_id: str) -> Any:
    """A client of the code server that launched a run by the default launcher; `None` if the run is over."""
    return launcher._get_grpc_client_for_termination(run_id)  # noqa: SLF001 - this is the place for it.


def run_web_server(around: Callable[[Any], Any]) -> None:
    """Run Dagster's web server by its own command line, with something around its application."""
    server: Any = import_module("dagster_webserver.cli")
    made = server.create_app_from_workspace_process_context
    server.create_app_from_workspace_process_context = lambda *args, **kwargs: around(made(*args, **kwargs))
    server.main()


def run_dev(web_server: str) -> None:
    """Run `dagster dev` by its own command line, with another module as the web server that it starts."""
    dev: Any = import_module("dagster._cli.dev")
    start = dev.open_ipc_subprocess
    dev.open_ipc_subprocess = lambda parts, **more: start(
        [web_server if part == "dagster_webserver" else part for part in parts], **more
    )
    dev.dev_command(prog_name="crypto-features dev")


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"{__name__} has no {name}")
    return getattr(import_module(_LATE[name]), name)
