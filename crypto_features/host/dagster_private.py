"""The private names of Dagster that this project stands on, in one place.

A contract test says what breaks without each. What a class of ours overrides or calls on itself stands in that class,
and in the same test.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dagster._core.definitions.run_request import InstigatorType
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._serdes import ConfigurableClassData
from dagster._time import get_current_datetime

if TYPE_CHECKING:
    from dagster._core.scheduler.instigation import TickStatus
    from dagster._core.storage.event_log import SqliteEventLogStorage
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
    from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult

__all__ = [
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "CanCancelExecutionRequest",
    "CanCancelExecutionResult",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "DagsterSqliteStorage",
    "DagsterUserCodeUnreachableError",
    "InstigatorType",
    "SqliteEventLogStorage",
    "TickStatus",
    "WorkerStatus",
    "code_server",
    "get_current_datetime",
]

_LATE = {
    "CanCancelExecutionRequest": "dagster._grpc.types",
    "CanCancelExecutionResult": "dagster._grpc.types",
    "DagsterSqliteStorage": "dagster._core.storage.sqlite_storage",
    "SqliteEventLogStorage": "dagster._core.storage.event_log",
    "TickStatus": "dagster._core.scheduler.instigation",
}
"""What `import dagster` leaves out, and what takes 0.1 s and more to import: imported when it is first asked for."""


def code_server(launcher: Any, run_id: str) -> Any:
    """A client of the code server that launched a run by the default launcher; `None` if the run is over."""
    return launcher._get_grpc_client_for_termination(run_id)  # noqa: SLF001 - this is the place for it.


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"{__name__} has no {name}")
    return getattr(import_module(_LATE[name]), name)
