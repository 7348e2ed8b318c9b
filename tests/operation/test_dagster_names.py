"""The private names of Dagster that this project stands on: each is there and does what is relied on."""

import inspect
import subprocess
import sys
from importlib import import_module
from typing import Any

import dagster as dg
import pytest
from dagster._grpc.client import DagsterGrpcClient

from crypto_features.graph.materialize import range_tags
from crypto_features.host import dagster_private
from crypto_features.host.event_log import BatchedEventLog, BatchedSqliteStorage
from crypto_features.host.run_launcher import WatchedRunLauncher

MEMBERS = {
    "InstigatorType": ({"SCHEDULE", "SENSOR", "AUTO_MATERIALIZE"}, "a failing schedule is reported as a sensor"),
    "StepEventStatus": (
        {"SKIPPED", "SUCCESS", "FAILURE", "IN_PROGRESS"},
        "`crypto-features status` says that a step failed which did not",
    ),
    "TickStatus": ({"STARTED", "SKIPPED", "SUCCESS", "FAILURE"}, "a tick that failed is not reported"),
    "WorkerStatus": (
        {"RUNNING", "NOT_FOUND", "FAILED", "SUCCESS", "UNKNOWN"},
        "a run whose process is gone goes on forever",
    ),
}
"""Every member of an enumeration: a new one may mean what we look for."""
CALLED = [
    (dagster_private.CheckRunHealthResult, "__new__", ("status", "msg"), "nobody learns why a run was failed"),
    (dg.DefaultRunLauncher, "_get_grpc_client_for_termination", ("run_id",), "no code server is asked for its runs"),
    (dagster_private.SqliteEventLogStorage, "__init__", ("base_dir",), "no event is stored"),
    (dagster_private.DagsterSqliteStorage, "__init__", ("base_dir", "inst_data"), "no run is stored"),
    (dagster_private.DagsterSqliteStorage, "from_local", ("base_dir", "inst_data"), "`dagster.yaml` is not read"),
]
"""What we call, and the first parameters that we hand over."""
OVERRIDDEN = [
    (dg.DefaultRunLauncher, WatchedRunLauncher, "check_run_worker_health", "run monitoring does not ask"),
    (dagster_private.SqliteEventLogStorage, BatchedEventLog, "store_event_batch", "each event is a transaction"),
    (dagster_private.SqliteEventLogStorage, BatchedEventLog, "_connect", "each event is a transaction"),
    (dagster_private.DagsterSqliteStorage, BatchedSqliteStorage, "from_config_value", "`dagster.yaml` is not read"),
]


@pytest.mark.parametrize("name", dagster_private.__all__)
def test_a_private_name_is_where_it_was(name: str) -> None:
    assert getattr(dagster_private, name) is not None


@pytest.mark.parametrize("name", MEMBERS)
def test_an_enumeration_of_dagster_has_the_members_that_we_know(name: str) -> None:
    members, otherwise = MEMBERS[name]
    assert set(getattr(dagster_private, name).__members__) == members, f"otherwise {otherwise}"


@pytest.mark.parametrize(("kind", "name", "parameters", "otherwise"), CALLED)
def test_a_method_of_dagster_takes_what_we_hand_over(
    kind: Any, name: str, parameters: tuple[str, ...], otherwise: str
) -> None:
    found = [p for p in inspect.signature(getattr(kind, name)).parameters if p not in ("self", "cls", "_cls")]
    assert tuple(found[: len(parameters)]) == parameters, f"otherwise {otherwise}"


@pytest.mark.parametrize(("base", "ours", "name", "otherwise"), OVERRIDDEN)
def test_dagster_still_calls_what_we_override(base: Any, ours: Any, name: str, otherwise: str) -> None:
    expected, found = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (base, ours))
    assert found == expected, f"otherwise {otherwise}"


def test_the_tags_of_a_range_are_what_a_run_reads_its_partitions_from() -> None:
    seen = []

    @dg.asset(
        partitions_def=dg.StaticPartitionsDefinition(["2024-01", "2024-02", "2024-03"]),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def table(context: dg.AssetExecutionContext) -> None:
        seen.extend(context.partition_keys)

    assert dg.materialize([table], tags=range_tags("2024-01", "2024-02")).success
    assert sorted(seen) == ["2024-01", "2024-02"], "otherwise a command makes every month, or none"


def test_a_code_server_is_asked_for_a_run_and_its_answer_is_read() -> None:
    request, result = dagster_private.CanCancelExecutionRequest, dagster_private.CanCancelExecutionResult
    assert request(run_id="r").run_id == "r"
    assert "can_cancel_execution" in dir(DagsterGrpcClient), "otherwise no run whose process is gone is failed"
    for alive in (True, False):
        answer = dg.serialize_value(result(can_cancel=alive))
        assert dg.deserialize_value(answer, result).can_cancel is alive


def test_dagster_notes_a_run_by_the_time_that_we_ask_it_for() -> None:
    with dg.instance_for_test() as instance:
        before = dagster_private.get_current_datetime()
        instance.create_run_for_job(dg.job(name="j")(lambda: None))
        (record,) = instance.get_run_records()
        assert before <= record.create_timestamp <= dagster_private.get_current_datetime()


def test_the_storage_of_dagster_has_the_parts_that_ours_replaces(tmp_path: Any) -> None:
    storage: Any = dagster_private.DagsterSqliteStorage(str(tmp_path))
    log = storage._event_log_storage
    assert type(log) is dagster_private.SqliteEventLogStorage, "otherwise each event is a transaction"
    assert hasattr(log, "_base_dir"), "otherwise events are stored in another folder"
    assert hasattr(log, "_db_lock"), "otherwise two threads share a connection"
    assert type(BatchedSqliteStorage(str(tmp_path)).event_log_storage) is BatchedEventLog


LATE = """
import sys
from importlib import import_module
import dagster
before = set(sys.modules)
import crypto_features.host.dagster_private
new = {name for name in set(sys.modules) - before if name.startswith("dagster")}
assert not new, new
"""


def test_the_private_names_cost_no_import_that_dagster_does_not_make_itself() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_dev_starts_its_web_server_and_that_makes_its_application_by_the_names_that_we_exchange() -> None:
    dev, server = (inspect.getsource(import_module(name)) for name in ("dagster._cli.dev", "dagster_webserver.cli"))
    assert 'open_ipc_subprocess(\n                [sys.executable, "-m", "dagster_webserver"]' in dev, (
        "otherwise no guard"
    )
    assert "app = create_app_from_workspace_process_context(" in server, "otherwise no guard"
