"""How long to wait before something is requested again: longer each time after a few, so that nothing loops."""

from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import TypeAdapter

FIRST, LONGEST = timedelta(minutes=10), timedelta(days=1)
PATIENT = 3
"""How often something is asked for before the waits grow: a restart or an outage of minutes needs no more."""


class Wait(NamedTuple):
    """What was asked for, and until when it is not asked for again.

    Args:
        months: The months that are behind; others start over.
        times: How often they were asked for.
        until: When they may be asked for next.
    """

    months: tuple[str, ...]
    times: int
    until: datetime

    def asked(self, now: datetime) -> "Wait":
        """After being asked for once more.

        >>> wait = Wait(("2024-01",), 0, datetime(2024, 1, 1))
        >>> wait.asked(wait.until).until - wait.until, wait._replace(times=4).asked(wait.until).until - wait.until
        (datetime.timedelta(seconds=600), datetime.timedelta(seconds=2400))
        """
        grown = FIRST * 2 ** max(self.times + 1 - PATIENT, 0)
        return self._replace(times=self.times + 1, until=now + min(grown, LONGEST))


WAITS = TypeAdapter(dict[str, Wait])
"""As a sensor's cursor remembers them."""
