"""The platform under way on a simulated clock: a code server and a daemon, supervised as systemd would, and killed."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import dagster as dg

from crypto_features.automation.runs import UNFINISHED
from crypto_features.host.instance import dagster_home
from crypto_features.settings import Settings

ROOT = Path(__file__).parents[2]
RESTART_SECONDS = 1.0
KINDS = ("daemon", "code", "run")


@dataclass
class Unit:
    """A supervised process: whenever it is gone, its whole group is killed and it is started again."""

    command: list[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = 0.0

    def keep_up(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None and not self.ended_at:
            self.kill()
            self.ended_at = time.monotonic()
        if time.monotonic() - self.ended_at >= RESTART_SECONDS:
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    self.command, env=dict(self.environment), stdout=log, stderr=log, cwd=ROOT, start_new_session=True
                )
            self.ended_at = 0.0

    def kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def runs(self) -> list[int]:
        """Process ids of the runs that it has launched."""
        return [pid for pid in children(self.process.pid) if "spawn_main" in command(pid)] if self.process else []


@dataclass
class Platform:
    """A code server and a daemon over one data folder and one clock file.

    Args:
        folder: Where everything is written.
        start: First month, as `2024-01`.
    """

    folder: Path
    start: str
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def __post_init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        self.clock = self.folder / "clock"
        self.environment = os.environ | {
            "CRYPTO_FEATURES_DATA": str(self.folder / "data"),
            "CRYPTO_FEATURES_START": self.start,
            "CRYPTO_FEATURES_CLOCK": f"@{self.clock}",
            "CRYPTO_FEATURES_LOOK_EVERY": "4s",
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "CODE_SERVER_HOST": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "TZ": "UTC",
        }
        workspace = self.folder / "workspace.yaml"
        workspace.write_text((ROOT / "deploy/workspace.yaml").read_text().replace("4266", str(port)))
        python = sys.executable
        serve = ["-m", "dagster", "api", "grpc", "-m", "crypto_features.definitions", "--host", "127.0.0.1"]
        daemon = str(ROOT / "tests/operation/daemon_on_clock.py")
        self.units = {
            "code": Unit([python, *serve, "--port", str(port)], self.environment, self.folder / "code.log"),
            "daemon": Unit(
                [python, daemon, "--workspace", str(workspace)], self.environment, self.folder / "daemon.log"
            ),
        }

    def set_clock(self, now: datetime) -> None:
        beside = self.folder / "clock.new"
        beside.write_text(now.isoformat())
        beside.replace(self.clock)

    def keep_up(self, seconds: float) -> None:
        """Supervise for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for unit in self.units.values():
                unit.keep_up()
            time.sleep(0.1)

    def kill(self, kind: str) -> bool:
        """SIGKILL the daemon, the code server with its runs, or one run; false if no run is going."""
        if kind == "run":
            runs = self.units["code"].runs()
            if not runs:
                return False
            with suppress(ProcessLookupError):
                os.kill(random.choice(runs), signal.SIGKILL)
        else:
            self.units[kind].kill()
        self.kills[kind] += 1
        return True

    def wait(self, for_: Callable[[], bool], seconds: float) -> bool:
        """Supervise until something holds, or the time is up."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.keep_up(1)
            if for_():
                return True
        return False


@contextmanager
def platform(folder: Path, start: str, now: datetime) -> Iterator[tuple[Platform, dg.DagsterInstance]]:
    """The platform under way at a time, and its Dagster instance; everything is stopped at the end."""
    (folder / "dagster").mkdir(parents=True)
    os.environ["DAGSTER_HOME"] = str(folder / "dagster")
    home = dagster_home(Settings.load())
    configuration = home / "dagster.yaml"
    quick = "poll_interval_seconds: 2\n  start_timeout_seconds: 40"
    text = configuration.read_text().replace("poll_interval_seconds: 10\n  start_timeout_seconds: 180", quick)
    text = text.replace("run_queue:\n", "run_queue:\n  dequeue_interval_seconds: 1\n")
    configuration.write_text(text.replace("user_code_failure_retry_delay: 10", "user_code_failure_retry_delay: 2"))
    one = Platform(folder, start)
    one.set_clock(now)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        try:
            yield one, instance
        finally:
            for unit in one.units.values():
                unit.kill()


def idle(instance: dg.DagsterInstance) -> bool:
    """Whether no run is queued or going."""
    return not instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1)


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in thread.read_text().split()]
    return found


def command(pid: int) -> str:
    """The command line of a process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""
