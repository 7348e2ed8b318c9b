"""`crypto-features dev` hands over to Dagster once its port is free and nobody else acts on its home."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crypto_features.cli import app

DEV = """
import sys
from pathlib import Path
sys.executable = str(Path(sys.argv[1]) / "python")
from crypto_features.cli import app
app(["dev", *sys.argv[2:]])
"""


@pytest.fixture
def port() -> int:
    """One that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[tuple[list[str], dict[str, str]]]]:
    """With which arguments and environment Dagster was started."""
    interrupt = signal.getsignal(signal.SIGINT)
    calls: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda _, arguments, environment: calls.append((arguments[1:], environment)))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    yield calls
    signal.signal(signal.SIGINT, interrupt)


def test_dagster_is_started_on_the_port_that_alerts_link_to(started: list[Any], port: int) -> None:
    assert CliRunner().invoke(app, ["dev", "--port", str(port)]).exit_code == 0
    ((arguments, environment),) = started
    assert arguments[-4:] == ["--host", "127.0.0.1", "--port", str(port)]
    assert environment["CRYPTO_FEATURES_UI_URL"] == f"http://127.0.0.1:{port}"


def test_an_address_that_is_set_stays(started: list[Any], port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTO_FEATURES_UI_URL", "https://dagster.example")
    CliRunner().invoke(app, ["dev", "--port", str(port)])
    assert started[0][1]["CRYPTO_FEATURES_UI_URL"] == "https://dagster.example"


def test_a_port_that_is_taken_is_refused(started: list[Any]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        result = CliRunner().invoke(app, ["dev", "--port", str(taken)])
    assert (result.exit_code, started) == (1, [])
    assert f"port {taken} of 127.0.0.1 cannot be opened (Address already in use)" in result.output
    assert result.output.count("\n") == 1


@pytest.mark.parametrize("command", ["dev", "serve"])
@pytest.mark.parametrize("wrong", ["0", "65536", "-1"])
def test_a_number_that_is_no_port_is_refused(started: list[Any], command: str, wrong: str) -> None:
    result = CliRunner().invoke(app, [command, "--port", wrong])
    assert (result.exit_code, started) == (2, [])
    assert "Invalid value for '--port'" in result.output


@pytest.fixture
def running(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A `dev` whose Dagster does nothing but live."""
    (tmp_path / "python").write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexec sleep 60\n")
    (tmp_path / "python").chmod(0o755)
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", DEV, str(tmp_path), "--port", str(port)]
    in_background = ["env", "--ignore-signal=INT", *command]  # as a shell starts it for a script.
    with subprocess.Popen(in_background, env=environment) as process:
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            time.sleep(0.02)
        yield process
        process.kill()


def test_a_second_one_on_the_same_home_is_refused_while_the_first_lives(
    running: subprocess.Popen[bytes], started: list[Any], port: int, tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["dev", "--port", str(port)])
    assert (result.exit_code, started) == (1, [])
    assert f"another `crypto-features dev` runs on {tmp_path / 'home'}" in result.output
    running.kill()
    running.wait()
    assert CliRunner().invoke(app, ["dev", "--port", str(port)]).exit_code == 0
    assert len(started) == 1


def test_nor_one_that_finds_the_home_removed(
    running: subprocess.Popen[bytes], started: list[Any], port: int, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "home")
    result = CliRunner().invoke(app, ["dev", "--port", str(port)])
    assert (result.exit_code, started) == (1, [])
    assert "another `crypto-features dev` runs" in result.output


def test_a_script_can_end_what_it_started_in_its_background(running: subprocess.Popen[bytes]) -> None:
    running.send_signal(signal.SIGINT)  # by which Dagster ends its processes.
    assert running.wait(10) == -signal.SIGINT


LIVE = """#!/bin/sh
case "$*" in
  *host.beside*) exec {python} "$@" ;;
  *live) touch live; trap "touch ended; exit 0" TERM; while :; do sleep 0.02; done ;;
  *) touch started; exec sleep 60 ;;
esac
"""


def there(path: Path) -> bool:
    """Whether a file is there within a while."""
    end = time.monotonic() + 120
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return path.exists()


@pytest.mark.parametrize("asked", ["true", "false"])
def test_the_live_process_runs_beside_it_where_the_source_can_stream_and_ends_with_it_however_it_ends(
    tmp_path: Path, port: int, asked: str
) -> None:
    (tmp_path / "python").write_text(LIVE.format(python=sys.executable))
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "feature_repo").mkdir()
    (tmp_path / "feature_repo/feature_store.yaml").touch()
    named = {"SOURCE": "ccxt", "EXCHANGE": "okx", "LIVE": asked}
    environment = os.environ | {f"CRYPTO_FEATURES_{name}": value for name, value in named.items()}
    environment |= {"DAGSTER_HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", DEV, str(tmp_path), "--port", str(port)]
    with subprocess.Popen(command, env=environment, cwd=tmp_path) as process:
        assert there(tmp_path / "started")
        if asked == "true":
            assert there(tmp_path / "live")
        process.kill()
    assert there(tmp_path / "ended") if asked == "true" else not (tmp_path / "live").exists()
