"""The live path: messages, finality, contract, journal, compute, publish. Its edges are handed in, the clock too."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from crypto_features.errors import TransientError
from crypto_features.lake.contract import validate
from crypto_features.lake.journal import VALUES, Entry, frame
from crypto_features.lake.spans import Span, number, opening
from crypto_features.live.audit import Audit
from crypto_features.live.compute import Following
from crypto_features.live.finality import LATE, Final, Finality
from crypto_features.live.repair import Repair, Rest
from crypto_features.live.stream import DisconnectedError, Message, Transport
from crypto_features.live.told import Prices, Read
from crypto_features.tables.candle_rows import CANDLES
from crypto_features_reader.budget import Heard

HOLD = timedelta(seconds=5)
"""How long a final candle waits for one before it that REST is asked for."""
_LOOK = 1.0
"""Seconds between two looks for what is missing while something is; ten times as many while nothing is."""
_GATHER, _GATHERS = 0.002, 10
"""Seconds without another final candle after which a step begins, and how often it is put off at most."""
_AUDIT = 10.0
"""Seconds between two looks for what REST is to confirm."""
_COLUMNS = [*CANDLES.full_schema]
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a lost connection is made again: doubled while nothing comes."""


@dataclass(frozen=True)
class Edges:
    """What the live path meets of the world.

    Args:
        transport: Where messages come from.
        read: How one is read.
        symbols: By the exchange's name of a market, our symbol.
        rest: The exchange's REST.
        append: Keeps entries in the journal, and returns when they are safe.
        publish: Publishes a view's rows, with when each symbol's newest candle was heard of.
        now: The time, UTC.
        note: Tells a person what happened.
    """

    transport: Transport
    read: Read
    symbols: Mapping[str, str]
    rest: Rest
    append: Callable[[Sequence[Entry]], None]
    publish: Callable[[str, pl.DataFrame, Mapping[str, Heard]], None]
    now: Callable[[], datetime]
    note: Callable[[str], None]


@dataclass
class Live:
    """One process that keeps the online store up to the newest candle, until it is cancelled.

    Args:
        edges: The world.
        following: The tables, kept up to the newest stored candle.
        interval: Length of a candle.
        wait: How long REST is asked for a candle that it does not have.
        parallel: How many symbols REST is asked for at once.
        unconfirmed: Candles that an earlier process took as final, and that REST has not confirmed.

    Attributes:
        counts: How many candles became final by what, and how many broke the contract, messages could not be read, and
            connections were lost.
    """

    edges: Edges
    following: Following
    interval: timedelta
    wait: timedelta
    parallel: int = 4
    counts: Counter[str] = field(default_factory=Counter)
    unconfirmed: Sequence[tuple[str, datetime, Prices]] = ()

    def __post_init__(self) -> None:
        self._unpublished: dict[str, pl.DataFrame] = {}
        self._told: dict[str, str] = {}
        """What was reported to a person as wrong, by table or symbol."""
        self._heard: dict[str, Heard] = {}
        self._begin()
        self._filling = False
        """Whether REST is asked for what is missing: to confirm the rest can wait."""
        self._finals: list[Final] = []
        self._agreed: list[tuple[str, datetime]] = []
        self._nothing = frame([])[_COLUMNS]
        self._pending: dict[tuple[str, datetime], Entry] = {}
        """Candles that are in the journal and not computed yet, each in its last version."""
        self._wake, self._look = asyncio.Event(), asyncio.Event()
        self._disk = ThreadPoolExecutor(1, "journal")

    def catch_up(self, candles: pl.DataFrame) -> None:
        """Compute and publish what the stored tables lack, with candles that are in the journal only."""
        self._publish(self.following.catch_up(candles, self.edges.now()))
        self._begin()

    def _begin(self) -> None:
        newest = {s: time for s, time in self.following.newest.items() if s in {*self.edges.symbols.values()}}
        self._finality = Finality(self.interval, newest)
        for candle in self.unconfirmed:
            self._finality.remember(*candle)
        self._repair = Repair(
            self._finality, self.edges.rest, interval=self.interval, wait=self.wait, parallel=self.parallel
        )
        self._audit = Audit(self._finality, self.interval)

    async def run(self) -> None:
        """Run until it is cancelled; what is in the journal then is published by the next one, or by the batch.

        Raises:
            FencedError: if another process took its place.
            OSError: if the journal cannot be written.
        """
        tasks = [*map(asyncio.ensure_future, (self._receive(), self._fill(), self._confirm(), self._work()))]
        try:
            failed, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:  # once: a second time would cut off how the first one ends a connection.
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in failed:
            task.result()

    async def _receive(self) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            self._finality.connected()
            try:
                async with aclosing(self.edges.transport.connect()) as messages:
                    async for message in messages:
                        pause = _SHORTEST_PAUSE
                        self._take(message)
            except DisconnectedError as error:
                self.counts["disconnected"] += 1
                self.edges.note(f"{error} It is connected again in {pause:g} s, and what was missed is asked for.")
            self._look.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _take(self, message: Message) -> None:
        try:
            told = [*self.edges.read(message)]
        except (KeyError, TypeError, ValueError, IndexError, OverflowError):
            self.counts["unreadable"] += 1
            return
        now = self.edges.now()
        for one in told:
            if symbol := self.edges.symbols.get(one.symbol):
                self._finals += self._finality.take(one._replace(symbol=symbol), now)
        if self._finals:
            self._wake.set()

    async def _fill(self) -> None:
        while True:
            asked = self._repair.due(self.edges.now())
            self._filling = bool(asked)
            await asyncio.gather(*(self._ask(symbol, span) for symbol, span in asked))
            self._filling = False
            now = self.edges.now()
            late = opening(number(now - LATE, self.interval) + 1, self.interval) + LATE - now
            busy = self._finality.missing(now)
            await _woken(self._look, _LOOK if busy else min(late.total_seconds(), 10 * _LOOK))

    async def _confirm(self) -> None:
        while True:
            await asyncio.sleep(_AUDIT)
            for symbol, span in [] if self._filling else self._audit.due(self.edges.now()):
                await self._ask(symbol, span)

    async def _ask(self, symbol: str, span: Span) -> None:
        finals, agreed = await self._repair.fill(symbol, span, self.edges.now)
        self._finals += finals
        self._agreed += [(symbol, time) for time in agreed]
        if finals or symbol in self._repair.troubles:  # what only agrees can wait for the next step.
            self._wake.set()

    async def _work(self) -> None:
        while True:
            waits = [self.following.due, *(entry.known_at + HOLD for entry in self._pending.values())]
            seconds = (min(waits) - self.edges.now()).total_seconds()
            await _woken(self._wake, _LOOK if self._unpublished else min(max(seconds, 0.0), _LONGEST_PAUSE))
            await self._gathered()
            self.advance()

    async def _gathered(self) -> None:
        """Wait, briefly, while candles of other symbols keep coming: a step costs nearly as much for one as for all."""
        for _ in range(_GATHERS):
            came = len(self._finals)
            if not came or len({final.symbol for final in self._finals}) >= len(self.edges.symbols):
                return
            await asyncio.sleep(_GATHER)
            if len(self._finals) == came:
                return

    def advance(self) -> None:
        """Journal what became final, and compute and publish what follows from it and from the time."""
        now = self.edges.now()
        kept, candles, saving = self._kept(now)
        waited, pending = self._pending, {**self._pending, **kept}
        self._pending = {
            key: entry for key, entry in pending.items() if now < entry.known_at + HOLD and self._finality.waits(*key)
        }
        if waited or self._pending:
            candles = frame(entry for key, entry in pending.items() if key not in self._pending)[_COLUMNS]
        try:
            rows = self.following.step(candles, now)
        finally:
            saving.result()  # nothing is published before it is in the journal.
        self._publish(rows)
        troubles = {**self.following.troubles, **self._repair.troubles}
        for name in sorted(name for name, why in troubles.items() if self._told.get(name) != why):
            self.edges.note(f"{name}: {troubles[name]}")
        self._told = troubles

    def _kept(self, now: datetime) -> tuple[dict[tuple[str, datetime], Entry], pl.DataFrame, Future[None]]:
        """The final candles that keep the contract, the same as a frame, and when they are in the journal."""
        told = {(final.symbol, final.open_time): final for final in self._finals}
        entries = [Entry(symbol, time, now, "agreed", {}) for symbol, time in self._agreed]
        self._finals, self._agreed = [], []
        if not told:
            return {}, self._nothing, self._saved(entries)
        for final in told.values():
            self._heard[final.symbol] = Heard(final.open_time + self.interval, final.sent, final.at)
        kept = {key: _entry(final, now) for key, final in told.items()}
        candles = frame(kept.values())[_COLUMNS]
        over = max(now, max(time for _, time in told) + self.interval)  # the local clock may be slow.
        good, _ = validate(candles, self.interval, over)
        if good.height < len(told):
            candles = good
            kept = {key: kept[key] for key in good[["symbol", "open_time"]].iter_rows()}
        saving = self._saved([*entries, *kept.values()])
        self.counts.update(told[key].how for key in kept)
        self.counts.update(corrected=sum(told[key].corrects for key in kept), rejected=len(told) - len(kept))
        return kept, candles, saving

    def _saved(self, entries: list[Entry]) -> Future[None]:
        """Append to the journal, beside what is computed meanwhile: the disk takes as long as the processor."""
        if entries:
            return self._disk.submit(self.edges.append, entries)
        saved = Future[None]()
        saved.set_result(None)
        return saved

    def _publish(self, rows: Mapping[str, pl.DataFrame]) -> None:
        """Publish, together with what could not be published before: of each symbol its newest row."""
        for view in {**self._unpublished, **rows}:
            parts = [part[view] for part in (self._unpublished, rows) if view in part]
            newest = parts[0] if len(parts) == 1 else _last_of_each(parts)
            try:
                self.edges.publish(view, newest, self._heard)
            except TransientError as error:
                if view not in self._unpublished:
                    self.edges.note(f"{view} is not published yet: {error}")
                self._unpublished[view] = newest
            else:
                self._unpublished.pop(view, None)


def _entry(final: Final, now: datetime) -> Entry:
    further = final.quote_volume, final.trades, final.taker_buy_volume
    told = zip(VALUES, (*final.prices, *further), strict=True)
    return Entry(final.symbol, final.open_time, now, final.how, {n: v for n, v in told if v is not None})


def _last_of_each(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(parts).unique("symbol", keep="last", maintain_order=True)


async def _woken(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, or for so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    event.clear()
