"""`dagster-daemon run`, whose scheduler lives on the platform's clock, so that an hour passes when a test says so.

Everything else in the daemon (heartbeats, run monitoring, queue) stays on the machine's clock.
"""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import dagster._time as dagster_time
from dagster._daemon.cli import run_command
from dagster._scheduler import scheduler

from crypto_features import clock

T = TypeVar("T")
LOOK_SECONDS = 0.3


def on_clock(machine: Callable[[], T], platform: Callable[[], T]) -> Callable[[], T]:
    """The platform's time in the scheduler's thread, the machine's elsewhere."""

    def time() -> T:
        return platform() if threading.current_thread().name.endswith("SCHEDULER") else machine()

    return time


def main() -> None:
    now: Callable[[], datetime] = clock.now
    dagster_time._mockable_get_current_datetime = on_clock(dagster_time._mockable_get_current_datetime, now)
    dagster_time._mockable_get_current_timestamp = on_clock(
        dagster_time._mockable_get_current_timestamp, lambda: now().timestamp()
    )
    scheduler._get_next_scheduler_iteration_time = lambda start_time: start_time + LOOK_SECONDS
    run_command()


if __name__ == "__main__":
    main()
