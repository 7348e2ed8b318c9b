"""How one table, or one view of the online store, is at one time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """What an operator must know first of a table or view."""

    OK = "ok"
    LATE = "late"
    """Its newest row, or that of a symbol, is older than allowed."""
    MISSING = "missing"
    """It has no row."""
    DAMAGED = "damaged"
    """It cannot be read."""
    OFF = "off"
    """The view is switched off."""


@dataclass(frozen=True)
class LastRun:
    """The newest run that was to make a table or view.

    Args:
        run_id: Its name in Dagster.
        at: When it ended, or began if it goes on; UTC by the machine's clock, whatever the platform's says.
        ago: How long ago that was.
        result: `ok`, `failed`, `skipped` if it failed before it got there, `canceled`, or `running`.
    """

    run_id: str
    at: datetime
    ago: timedelta
    result: str


@dataclass(frozen=True)
class TableState:
    """How a table or a view is.

    Args:
        name: Its name as an asset, such as `price_features` or `online_store/price_features`.
        state: What to know first.
        why: What is wrong if it is not `ok`.
        todo: What to do then, unless `why` says so.
        newest: Close of the newest row, UTC; of a fitted model the start of its newest month.
        age: How long ago that was.
        allowed: The age up to which it is not late; none if its age is not judged.
        behind: By how much the newest row is older than the newest bar that it could be of.
        run: The newest run of it; none if nothing is recorded.
        failed_checks: The checks that failed when they were last evaluated.
    """

    name: str
    state: State
    why: str = ""
    todo: str = ""
    newest: datetime | None = None
    age: timedelta | None = None
    allowed: timedelta | None = None
    behind: timedelta | None = None
    run: LastRun | None = None
    failed_checks: tuple[str, ...] = ()

    @property
    def late(self) -> bool:
        """Whether a reader of it lacks what it should have by now."""
        return self.state in (State.LATE, State.MISSING, State.DAMAGED)
