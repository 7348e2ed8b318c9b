"""Runs one measurement in a process of its own, so that none warms or burdens another."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def measured(work: Callable[[], object], repeats: int) -> dict[str, Any]:
    """Wall and CPU seconds of each repeat and the peak memory of this process so far."""
    wall, cpu = [], []
    for _ in range(repeats):
        began, spent = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - spent)
    return {"wall": wall, "cpu": cpu, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def apart(module: str, *arguments: object, timeout: float = 900) -> dict[str, Any]:
    """Run `python -m module arguments` and return the JSON of its last line; a failure is a result too."""
    command = [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=True)
    except subprocess.TimeoutExpired:
        return {"failed": f"> {timeout:.0f} s"}
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()
        return {
            "failed": f"killed by signal {-error.returncode}" if error.returncode < 0 else (reason or ["failed"])[-1]
        }
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """A markdown table with the keys of the first row as its head."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([str(row.get(name, "")) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
