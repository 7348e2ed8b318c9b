"""Forks a child for each step of an operation, so that no step pays for imports: `python -m tests.crash.fork_server`.

It reads one JSON object a line, `{"operation", "step", "folder", "environment", "said"}`. Of an act it answers with the
child's process id once that stands still, to be traced and continued; of every step with how it ended and what it
returned. What a child imports is imported here for the next one. Polars is imported and never used: a child would lack
the threads that it starts.
"""

import ctypes
import json
import os
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from crypto_features.cli.app import app, command
from crypto_features.store import plain_feast, session
from tests.crash.operations import OPERATIONS

PR_SET_PTRACER = 0x59616D61
"""Of Linux's Yama: who may trace a process beside root."""
USE_POLARS = ("tests.", "crypto_features.shipped")
"""Modules that use Polars when they are imported: a child imports them."""


def act(request: dict[str, Any], answer: int) -> None:
    """In the child: take the step as a command of the platform would, and hand over what it returned."""
    os.environ.update(request["environment"])
    folder = Path(request["folder"])
    said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(said)
    operation, step = OPERATIONS[request["operation"]], request["step"]
    returned = None
    if step == "act":
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1))  # strace is not the parent.
        signal.raise_signal(signal.SIGSTOP)
        command(partial(operation.act, folder))
        callback = app.registered_commands[-1].callback
        assert callback is not None
        callback()
    elif step == "mend":
        returned = [operation.look(folder)]
        session._stores.clear()
        operation.act(folder)
        session._stores.clear()
        returned.append(operation.look(folder))
    else:
        returned = getattr(operation, step)(folder)
    with os.fdopen(answer, "w") as pipe:
        json.dump({"returned": returned, "imported": sorted(sys.modules)}, pipe)


def fork(request: dict[str, Any]) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.close(read)
            act(request, write)
            code = 0
        except typer.Exit as end:
            code = end.exit_code
        except BaseException:  # noqa: BLE001 - what it prints is what is asked for.
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    if request["step"] == "act":
        os.waitpid(child, os.WUNTRACED)
        print(json.dumps(child), flush=True)
    with os.fdopen(read) as returned:
        text = returned.read()
    _, status = os.waitpid(child, 0)
    found = json.loads(text or "{}")
    print(json.dumps([os.waitstatus_to_exitcode(status), found.get("returned")]), flush=True)
    for name in found.get("imported", ()):
        if name not in sys.modules and not name.startswith(USE_POLARS):
            with suppress(ImportError, AttributeError):
                import_module(name)


if __name__ == "__main__":
    warnings.showwarning = lambda *_, **__: None  # those of libraries; what an error prints is what counts.
    plain_feast.load()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        fork(json.loads(line))
