"""Which process a run lives in, so that another process can tell when it is gone."""

import json
import os
import socket
from pathlib import Path

TAG = "crypto_features/host/process"
"""The tag of a run that a command executes in its own process."""


def this_process() -> str:
    """Host, id and start of this process."""
    pid = os.getpid()
    return json.dumps({"host": socket.gethostname(), "pid": pid, "started": _started(pid)})


def is_gone(process: str) -> bool:
    """Whether the process that `this_process` described has ended; one of another host never counts as gone."""
    known = json.loads(process)
    if known["host"] != socket.gethostname():
        return False
    try:
        os.kill(known["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it is alive, and somebody else's.
    return bool(_started(known["pid"]) != known["started"])


def _started(pid: int) -> str | None:
    """What tells a process from a later one with its id, where `/proc` says so: clock ticks from boot to its start."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None
