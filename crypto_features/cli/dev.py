"""`crypto-features dev`: the Dagster UI with its daemon."""

import fcntl
import hashlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from crypto_features.cli.app import command
from crypto_features.errors import InputError, TransientError
from crypto_features.host.instance import dagster_environment
from crypto_features.live.streamed import can_stream
from crypto_features.settings import Settings

HOST = "127.0.0.1"


@command
def dev(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on the loopback interface.")] = 3000) -> None:
    """Open the Dagster UI on this machine, with schedules and sensors, and `live` where the source can stream.

    Examples:
        crypto-features dev --port 3001
    """
    settings = Settings.load()
    ours = dagster_environment(settings)
    _check_free(port)
    _hold(Path(ours["DAGSTER_HOME"]))
    address = {"CRYPTO_FEATURES_UI_URL": f"http://{HOST}:{port}"}
    environment = address | os.environ | ours | {"PYTHONWARNINGS": "ignore"}
    arguments = ["--module-name", "crypto_features.definitions", "--host", HOST, "--port", str(port)]
    command = [sys.executable, "-m", "crypto_features.host.guarded_dev", *arguments]
    if settings.live and can_stream(settings):
        _run_beside([sys.executable, "-c", "from crypto_features.cli import app; app()", "live"], environment)
    # A shell lets what a script starts in its background ignore this signal, by which Dagster ends its processes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own interpreter, no shell.


def _run_beside(command: list[str], environment: dict[str, str]) -> None:
    """Run a command for as long as the process lives that Dagster takes over."""
    lifeline, held = os.pipe()
    beside = [sys.executable, "-m", "crypto_features.host.beside", *command]
    # In a session of its own Ctrl-C does not reach it twice.
    subprocess.Popen(beside, stdin=lifeline, env=environment, start_new_session=True)  # noqa: S603 - our own interpreter.
    os.close(lifeline)
    os.set_inheritable(held, True)  # noqa: FBT003 - its only argument; what Dagster starts closes it.


def _check_free(port: int) -> None:
    """Without its port Dagster would go on without a UI."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"port {port} of {HOST} cannot be opened ({error.strerror}); stop what listens there, or choose "
                "another one with --port."
            ) from None


def _hold(home: Path) -> None:
    """Keep every other `dev` from this home while the process lives that Dagster takes over: two daemons act twice.

    A lock is in it, and one beside the machine's temporary files, which stays when the home is removed.
    """
    digest = hashlib.blake2b(str(home.resolve()).encode(), digest_size=8).hexdigest()
    for file in (home / "dev.lock", Path(tempfile.gettempdir()) / f"crypto_features_dev_{os.getuid()}_{digest}.lock"):
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise TransientError(
                f"another `crypto-features dev` runs on {home}; stop it, or give this one a DAGSTER_HOME of its own."
            ) from None
        os.set_inheritable(lock, True)  # noqa: FBT003 - its only argument; the lock lives as long as the descriptor.
