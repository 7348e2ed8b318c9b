"""What a process that publishes live says of itself, in a small file that whoever watches it reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from crypto_features.sealed_json import sealed, unsealed
from crypto_features.whole_file import whole_file

PLACE = ".live/status.json"
"""Where the file of a data folder lies."""
COUNTS = ("flag", "successor", "rest", "corrected", "rejected", "disconnected", "unreadable")
"""Candles by how they became final, corrections, candles that broke the contract, lost connections, and messages that
could not be read."""


@dataclass(frozen=True)
class LiveStatus:
    """The state of a live process.

    Args:
        began: When it began, UTC.
        at: When it said so.
        stopped: Whether it was asked to end, and did.
        symbols: How many symbols it follows.
        counts: How often what happened, by a name of `COUNTS`.
        newest: By view that it publishes, the event time of its newest row: the last one before it began, if none came
            since.
        due: By view, when the bar of the next row closes.
        delays: By view, how long after the newest row's time it was published.
    """

    began: datetime
    at: datetime
    stopped: bool
    symbols: int
    counts: Mapping[str, int]
    newest: Mapping[str, datetime]
    due: Mapping[str, datetime]
    delays: Mapping[str, timedelta] = field(default_factory=dict)

    def lag(self, view: str, now: datetime) -> timedelta:
        """For how long the next row of a view has been due; 0 if it is not due."""
        return max(now - self.due[view], timedelta(0))


def write(folder: Path, status: LiveStatus) -> None:
    """Replace the file of a data folder."""
    content = {
        "began": status.began.isoformat(),
        "at": status.at.isoformat(),
        "stopped": status.stopped,
        "symbols": status.symbols,
        "counts": {name: status.counts.get(name, 0) for name in COUNTS},
        "newest": {view: time.isoformat() for view, time in status.newest.items()},
        "due": {view: time.isoformat() for view, time in status.due.items()},
        "delays": {view: delay.total_seconds() for view, delay in status.delays.items()},
    }
    with whole_file(folder / PLACE) as file:
        file.write(sealed(content, indent=1).encode())


def read(folder: Path) -> LiveStatus | None:
    """The file of a data folder; none if there is none, or it is damaged: the process writes it again."""
    try:
        content = unsealed((folder / PLACE).read_bytes())
        return LiveStatus(
            datetime.fromisoformat(content["began"]),
            datetime.fromisoformat(content["at"]),
            content["stopped"],
            content["symbols"],
            content["counts"],
            {view: datetime.fromisoformat(time) for view, time in content["newest"].items()},
            {view: datetime.fromisoformat(time) for view, time in content["due"].items()},
            {view: timedelta(seconds=seconds) for view, seconds in content["delays"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
