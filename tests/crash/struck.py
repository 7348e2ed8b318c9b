"""Strikes an operation at one of its system calls: by SIGKILL, or by an error that the call returns."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STRACE = shutil.which("strace")
CALLS = (
    "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,rename,renameat,renameat2,unlink,"
    "unlinkat,ftruncate,truncate,mkdir,mkdirat,rmdir,link,linkat,sendto,sendmsg"
)
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
_MAKES = re.compile(r"O_CREAT|O_TRUNC")
_LONGEST = 120


@dataclass(frozen=True)
class Point:
    """The k-th call of a name in the main thread, or in the first other one that comes so far.

    Args:
        call: Name of the system call.
        number: Which one, from 1.
        main: Whether it is the main thread's.
        text: What it is called with.
    """

    call: str
    number: int
    main: bool
    text: str


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Args:
        code: Its exit code; of one that was killed, the signal below 0.
        returned: What a step that was not held returned.
        said: What it printed.
    """

    code: int
    returned: Any
    said: str


class ForkServer:
    """A process that forks a child for each step."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        environment = os.environ | {
            "OPENBLAS_NUM_THREADS": "1",
            "POLARS_MAX_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "XDG_CACHE_HOME": str(scratch / "cache"),
            "CRYPTO_FEATURES_CATALOG": "tests.crash.small:catalog",
            "CRYPTO_FEATURES_CLOCK": "2024-02-09T20:30Z",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.fork_server"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def take(self, operation: str, step: str, folder: Path, environment: Mapping[str, str]) -> Any:
        """What a step returns.

        Raises:
            RuntimeError: if it fails, with all that it printed.
        """
        self._ask(operation, step, folder, environment)
        ended = self._ended()
        if ended.code:
            raise RuntimeError(f"{operation}: {step} ended with {ended.code}: {ended.said}")
        return ended.returned

    def act(self, operation: str, folder: Path, environment: Mapping[str, str], *strace: str) -> Ended:
        """How an operation ends under strace."""
        assert STRACE is not None
        self._ask(operation, "act", folder, environment)
        child = self._answer()
        tracer = subprocess.Popen([STRACE, "-qq", "-p", str(child), *strace], stderr=subprocess.PIPE, text=True)
        while not _is_traced(child):
            assert tracer.poll() is None, tracer.communicate()[1]
            time.sleep(0.0005)
        os.kill(child, signal.SIGCONT)
        ended = self._ended()
        tracer.communicate()
        return ended

    def _ask(self, operation: str, step: str, folder: Path, environment: Mapping[str, str]) -> None:
        assert self._process.stdin is not None
        request = {
            "operation": operation,
            "step": step,
            "folder": str(folder),
            "environment": {"CRYPTO_FEATURES_DATA": str(folder), **environment},
            "said": str(self.scratch / "said"),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _ended(self) -> Ended:
        code, returned = self._answer()
        return Ended(code, returned, (self.scratch / "said").read_text())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the fork server ended"
        return json.loads(line)


@contextmanager
def fork_server(scratch: Path) -> Iterator[ForkServer]:
    server = ForkServer(scratch)
    try:
        yield server
    finally:
        server.close()


def points(log: Path, folder: Path) -> list[Point]:
    """Every call of a recorded run that changes something below a folder or asks a server, each once.

    Calls are counted by name within a thread, as strace counts them.
    """
    counted: Counter[tuple[str, str]] = Counter()
    found: dict[tuple[str, int, bool], Point] = {}
    first = ""
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None or "resumed>" in line:
            continue
        thread, call, rest = match.groups()
        first = first or thread
        counted[thread, call] += 1
        if call.startswith("send"):
            chosen = True
        else:
            chosen = f"{folder}/" in rest or f"{folder}>" in rest or f'{folder}"' in rest
        if not chosen or (call in ("openat", "open") and not _MAKES.search(rest)):
            continue
        key = (call, counted[thread, call], thread == first)
        found.setdefault(key, Point(*key, rest[:_LONGEST]))
    return list(found.values())


def _is_traced(process: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    return "TracerPid:\t0\n" not in status


def may_attach() -> bool:
    """Whether strace is there and may watch another process, which containers and `ptrace_scope` can forbid."""
    if STRACE is None:
        return False
    with subprocess.Popen(["sleep", "2"]) as other:  # noqa: S607 - any sleep will do.
        watch = subprocess.run([STRACE, "-e", "trace=none", "-p", str(other.pid)], check=False, capture_output=True)
    return watch.returncode == 0
