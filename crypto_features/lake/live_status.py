"""What processes that publish live say of themselves, in a small file each that whoever watches them reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from crypto_features.lake.live_files import file_name, parts_of
from crypto_features.sealed_json import sealed, unsealed
from crypto_features.whole_file import whole_file

PLACES = ".live/status*.json"
"""Where the files of a data folder lie: one of each process."""
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
        absent: Of the processes that share the symbols, how many never said anything.
    """

    began: datetime
    at: datetime
    stopped: bool
    symbols: int
    counts: Mapping[str, int]
    newest: Mapping[str, datetime]
    due: Mapping[str, datetime]
    delays: Mapping[str, timedelta] = field(default_factory=dict)
    absent: int = 0

    def lag(self, view: str, now: datetime) -> timedelta:
        """For how long the next row of a view has been due; 0 if it is not due."""
        return max(now - self.due[view], timedelta(0))


def place(folder: Path, shard: str = "") -> Path:
    """The file of a process in a data folder."""
    return folder / ".live" / file_name("status", shard, ".json")


def write(folder: Path, status: LiveStatus, shard: str = "") -> None:
    """Replace the file of a process in a data folder."""
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
    with whole_file(place(folder, shard)) as file:
        file.write(sealed(content, indent=1).encode())


def remove_others(folder: Path, parts: int) -> None:
    """Remove the files of processes that followed a data folder in another number of parts."""
    for path in folder.glob(PLACES):
        if parts_of(path.name) != parts:
            path.unlink()


def read(folder: Path) -> LiveStatus | None:
    """What the processes of a data folder say together: of each view what the one says that is furthest behind.

    `None` without a file. A damaged one is left out until its process writes it again.
    """
    files = sorted(folder.glob(PLACES))
    found = [one for path in files if (one := _read(path))]
    if not found:
        return None
    views = sorted({view for one in found for view in one.newest})
    return LiveStatus(
        began=min(one.began for one in found),
        at=min(one.at for one in found),
        stopped=all(one.stopped for one in found),
        symbols=sum(one.symbols for one in found),
        counts={name: sum(one.counts[name] for one in found) for name in COUNTS},
        newest={view: min(one.newest[view] for one in found if view in one.newest) for view in views},
        due={view: min(one.due[view] for one in found if view in one.due) for view in views},
        delays={view: max(delays) for view in views if (delays := [o.delays[view] for o in found if view in o.delays])},
        absent=max(parts_of(path.name) for path in files) - len(files),
    )


def _read(path: Path) -> LiveStatus | None:
    try:
        content = unsealed(path.read_bytes())
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
