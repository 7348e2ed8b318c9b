"""REST is asked to confirm what the stream called final: rarely, many candles at once, and never before a gap."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import datetime, timedelta

import polars as pl
import pytest

from crypto_features.lake.journal import Entry, frame
from crypto_features.live.audit import Audit
from crypto_features.live.compute import Following
from crypto_features.live.finality import Finality
from crypto_features.live.ledger import ledger, unconfirmed
from crypto_features.live.process import Edges, Live
from crypto_features.live.stream import Message
from crypto_features.live.told import Told
from crypto_features.live.virtual_time import run
from tests.live import test_replay
from tests.live.minutes import catalog, moves
from tests.live.test_replay import END, SYMBOLS
from tests.live.walks import BEGIN, TERMS
from tests.market.market import START

MINUTE = timedelta(minutes=1)
PRICES = (1.0,) * 5
FIELDS = ("open", "high", "low", "close", "volume")


def at(minute: float) -> datetime:
    return START + minute * MINUTE


def flagged(finality: Finality, symbol: str, *minutes: int) -> None:
    for minute in minutes:
        finality.take(Told(symbol, at(minute), closed=True, prices=PRICES), at(minute + 1))


def followed(*symbols: str) -> Finality:
    """Candle −1 of each is stored, and candle 0 primes the session: REST has told it."""
    finality = Finality(MINUTE, dict.fromkeys(symbols, at(-1)))
    finality.connected()
    for symbol in symbols:
        finality.take(Told(symbol, at(0), closed=False, prices=PRICES), at(0))
        finality.filled(symbol, [(at(0), PRICES)], at(1))
    return finality


def test_a_symbol_is_asked_for_when_its_oldest_candle_is_an_hour_old_and_an_hour_later_again() -> None:
    finality = followed("BTC")
    audit = Audit(finality, MINUTE)
    flagged(finality, "BTC", *range(1, 30))
    assert audit.due(at(30)) == []
    flagged(finality, "BTC", *range(30, 59))
    assert audit.due(at(59)) == []
    flagged(finality, "BTC", 59, 60, 61)
    ((symbol, span),) = audit.due(at(62))
    first = span[0]
    # Not candle 61: it closed less than a minute ago.
    assert (symbol, span) == ("BTC", (first, first + 60))
    assert audit.due(at(62.5)) == []
    found, agreed = finality.filled("BTC", [(at(minute), PRICES) for minute in range(61)], at(63))
    assert (found, len(agreed)) == ([], 61)
    flagged(finality, "BTC", *range(62, 130))
    assert audit.due(at(121)) == []
    assert audit.due(at(130)) == [("BTC", (first + 60, first + 128))]


def test_two_symbols_at_once_the_oldest_candle_first() -> None:
    names = ("A", "B", "C")
    finality = followed(*names)
    for symbol, since in zip(names, (3, 2, 1), strict=True):
        finality.filled(symbol, [(at(minute), PRICES) for minute in range(1, since)], at(3))
        flagged(finality, symbol, *range(since, 70))
    audit = Audit(finality, MINUTE)
    assert [[symbol for symbol, _ in audit.due(at(71))] for _ in range(3)] == [["C", "B"], ["A"], []]


def test_what_is_older_than_a_day_is_the_batches() -> None:
    finality = followed("BTC")
    flagged(finality, "BTC", *range(1, 11))
    assert len(finality.unconfirmed(0)["BTC"]) == 10
    flagged(finality, "BTC", *range(11, 1500))
    ((_, span),) = Audit(finality, MINUTE).due(at(1500))
    assert span[0] == round((at(1500) - timedelta(days=1) - datetime.fromtimestamp(0, START.tzinfo)) / MINUTE)
    assert span[1] - span[0] == 300


class Punctual:
    """An exchange that flags each candle at its end, one of them wrongly, and whose REST is right."""

    def __init__(self, right: pl.DataFrame, wrong: tuple[str, datetime]) -> None:
        self._right, self._wrong, self.asked = right, wrong, list[tuple[str, datetime, datetime]]()

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())

    async def connect(self) -> AsyncGenerator[Message, None]:
        for symbol, opened, *prices in self._right.select("symbol", "open_time", *FIELDS).iter_rows():
            if (left := (opened + MINUTE - self.now()).total_seconds()) > 0:
                await asyncio.sleep(left)
            said = [*prices[:3], prices[1], prices[4]] if (symbol, opened) == self._wrong else prices
            yield {"told": Told(symbol, opened, closed=True, prices=tuple(said))}
        await asyncio.Event().wait()

    async def rest(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        self.asked.append((symbol, start, end))
        over = pl.col("open_time").is_between(start, end, closed="left"), pl.col("open_time") <= self.now() - MINUTE
        return self._right.filter(pl.col("symbol") == symbol, *over)


@pytest.mark.parametrize("ends", [(64.9,), (30.0, 64.9)], ids=["one process", "a process and its successor"])
def test_a_flagged_candle_that_rest_contradicts_is_corrected_and_the_others_are_confirmed(ends: tuple[float]) -> None:
    wrong = ("B", BEGIN + 5 * MINUTE)
    later = [
        {"symbol": s, "open_time": END + n * MINUTE, "open": 9.0, "high": 9.5, "low": 8.0, "close": 9.0 - n / 99}
        for s in SYMBOLS
        for n in range(50)
    ]
    more = pl.DataFrame(later).with_columns(volume=pl.lit(1.0), completeness=pl.lit(1.0))
    right = pl.concat([test_replay.candles(), more.cast(test_replay.candles().schema)]).sort("open_time", "symbol")
    exchange, entries, rows = Punctual(right, wrong), list[Entry](), list[pl.DataFrame]()
    stored = test_replay.tables()

    def publish(view: str, published: pl.DataFrame, _: object) -> None:
        if view == "moves":
            rows.append(published)

    async def lived() -> None:
        edges = Edges(
            transport=exchange,
            read=lambda message: iter([message["told"]]),
            symbols={symbol: symbol for symbol in SYMBOLS},
            rest=exchange.rest,
            append=entries.extend,
            publish=publish,
            now=exchange.now,
            note=print,
        )
        for end in ends:
            following = Following(catalog, SYMBOLS, TERMS, lambda name, _: test_replay.before(stored[name]))
            live = Live(edges, following, MINUTE, timedelta(hours=1), unconfirmed=unconfirmed(entries))
            live.catch_up(frame(entries).drop("known_at"))
            with suppress(TimeoutError):
                async with asyncio.timeout_at(end * 60):
                    await live.run()

    run(lived())
    corrected = [entry for entry in entries if (entry.symbol, entry.open_time) == wrong]
    (true,) = right.filter(pl.col("symbol") == wrong[0], pl.col("open_time") == wrong[1]).rows(named=True)
    assert [entry.how for entry in corrected] == ["flag", "rest"]
    assert {name: corrected[1].values[name] for name in FIELDS} == {name: true[name] for name in FIELDS}
    counts = ledger(entries, MINUTE, "all").select("symbol", "corrected", "agreed")
    # Candle 0 only primes, and REST has it from the start; it is asked for again beside those that follow. What a
    # successor begins with is REST's alone.
    each = 61 - len(ends)
    assert counts.rows() == [("all", 1, 3 * each - 1), ("A", 0, each), ("B", 1, each - 1), ("C", 0, each)]
    assert [symbol for symbol, start, end in exchange.asked if end - start > 10 * MINUTE] == ["A", "B", "C"]
    ticks = pl.concat([test_replay.before(test_replay.tables()["ticks"]), right])
    batch = moves.whole({"ticks": ticks}, MINUTE).filter(pl.col("event_timestamp") == BEGIN + 64 * MINUTE)
    assert rows[-1].select(batch.columns).sort("symbol").equals(batch.sort("symbol"))


def test_what_rest_has_told_is_not_asked_for_again_by_the_next_process() -> None:
    def entry(symbol: str, how: str, close: float = 1.0) -> Entry:
        values = {} if how == "agreed" else dict.fromkeys(FIELDS, 1.0) | {"close": close}
        return Entry(symbol, at(0), at(1), how, values)

    told = [entry("A", "flag"), entry("B", "flag"), entry("C", "flag"), entry("D", "rest"), entry("E", "successor")]
    told += [entry("A", "agreed"), entry("B", "rest", 2.0), entry("C", "flag", 3.0)]
    assert unconfirmed(told) == [("E", at(0), PRICES), ("C", at(0), (1.0, 1.0, 1.0, 3.0, 1.0))]
