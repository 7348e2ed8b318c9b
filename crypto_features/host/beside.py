"""A command that runs for as long as another process lives: `python -m crypto_features.host.beside COMMAND…`.

Its standard input is a pipe that only the other process holds open: however that one ends, the pipe does.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence

PAUSES = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""Seconds before a command that failed is run again; the last again and again."""
_GRACE = 30.0
"""Seconds that it has to end by itself."""


def run_beside(command: Sequence[str], lifeline: int, pauses: Sequence[float] = PAUSES) -> None:
    """Run a command until the lifeline ends, or the command by its own will; again after each failure.

    Args:
        command: Program and arguments.
        lifeline: Descriptor of a pipe that ends with the process that the command belongs to.
        pauses: Seconds before it is run again.
    """
    ended = threading.Event()

    def listen() -> None:
        while os.read(lifeline, 1):
            pass
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    for number in range(sys.maxsize):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - what our own caller names.
        while process.poll() is None and not ended.wait(0.2):
            pass
        if process.poll() is None:
            _end(process)
        if process.returncode == 0 or ended.wait(pauses[min(number, len(pauses) - 1)]):
            return


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    run_beside(sys.argv[1:], sys.stdin.fileno())
