"""A live process that says how it is: its status, written every few seconds and when it ends."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import polars as pl

from crypto_features.compute.resample import opens
from crypto_features.lake.live_status import LiveStatus
from crypto_features.tables.dtypes import TIME
from crypto_features.tables.partition import KEYS

_EVERY = 5.0
"""Seconds between two writes."""


class Watched:
    """The status of one process.

    Args:
        write: Keeps the status where whoever watches reads it.
        bars: By view that the process publishes, the length of its bars.
        symbols: How many symbols it follows.
        counts: What it counts.
        now: The time, UTC.
    """

    def __init__(
        self,
        write: Callable[[LiveStatus], None],
        bars: Mapping[str, timedelta],
        symbols: int,
        counts: Mapping[str, int],
        now: Callable[[], datetime],
    ) -> None:
        self._write, self._symbols, self._counts, self._now = write, symbols, counts, now
        self._began = now()
        self._bars = bars
        self._newest = {view: _last_close(self._began, bar) for view, bar in bars.items()}
        self._delays = dict[str, timedelta]()

    def published(self, view: str, rows: pl.DataFrame, at: datetime) -> None:
        """Note that rows of a view were published at a time."""
        newest = rows[KEYS[1]].max()
        if isinstance(newest, datetime) and newest > self._newest[view]:
            self._newest[view], self._delays[view] = newest, at - newest

    def status(self, *, stopped: bool = False) -> LiveStatus:
        """The status now."""
        return LiveStatus(
            began=self._began,
            at=self._now(),
            stopped=stopped,
            symbols=self._symbols,
            counts={**self._counts},
            newest={**self._newest},
            due={view: newest + self._bars[view] for view, newest in self._newest.items()},
            delays={**self._delays},
        )

    async def keep(self) -> None:
        """Write the status every few seconds until it is cancelled; the disk holds up nothing else."""
        while True:
            await asyncio.to_thread(self._write, self.status())
            await asyncio.sleep(_EVERY)

    def end(self) -> None:
        """Write that the process was asked to end."""
        self._write(self.status(stopped=True))


def _last_close(time: datetime, bar: timedelta) -> datetime:
    found: datetime = pl.select(opens(pl.lit(time, TIME), bar)).item()
    return found
