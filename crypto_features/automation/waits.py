"""How long to wait before something is asked for again: longer each time after a few, so that nothing loops."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FIRST, LONGEST = timedelta(minutes=10), timedelta(days=1)
PATIENT = 3
"""How often something is asked for before the waits grow: a restart or an outage of minutes needs no more."""


@dataclass(frozen=True)
class Wait:
    """What was asked for, and until when it is not asked for again.

    Args:
        months: The months that are behind; others begin anew.
        times: How often they were asked for.
        until: When they may be asked for next.
    """

    months: tuple[str, ...]
    times: int
    until: datetime

    def asked(self, now: datetime) -> "Wait":
        """After being asked for once more.

        >>> wait = Wait(("2024-01",), 0, datetime(2024, 1, 1))
        >>> wait.asked(wait.until).until - wait.until, replace(wait, times=4).asked(wait.until).until - wait.until
        (datetime.timedelta(seconds=600), datetime.timedelta(seconds=2400))
        """
        grown = FIRST * 2 ** max(self.times + 1 - PATIENT, 0)
        return replace(self, times=self.times + 1, until=now + min(grown, LONGEST))


def remember_waits(waits: Mapping[str, Wait]) -> str:
    """As a sensor's cursor."""
    return json.dumps({what: [wait.months, wait.times, wait.until.isoformat()] for what, wait in waits.items()})


def recall_waits(cursor: str | None) -> dict[str, Wait]:
    """What `remember_waits` wrote."""
    stored = json.loads(cursor or "{}")
    return {what: Wait(tuple(m), n, datetime.fromisoformat(until)) for what, (m, n, until) in stored.items()}
