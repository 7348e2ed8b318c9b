"""A lost connection costs nothing: what passed meanwhile comes seconds after it is back, once, and no more is asked."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import polars as pl
import pytest

import crypto_features as cf
from crypto_features.live.compute import Following
from crypto_features.live.process import Edges, Live
from crypto_features.live.replay import Replayed, Stored
from crypto_features.live.stream import DisconnectedError, Message
from crypto_features.live.told import binance
from crypto_features.live.virtual_time import run
from tests.live.minutes import moves
from tests.live.walks import BEGIN, MINUTE, TERMS, walks
from tests.live.websockets import binance_kline

SECOND = timedelta(seconds=1)
OUTAGES, EVERY = 10, 3
"""Lost connections of a seed, and in how many minutes one falls."""
catalog = cf.Catalog(moves)
FELL = ("open", "high", "low", "close", "volume")


class Exchange:
    """Sends every candle in time but while it is away; REST has what is over after a tenth of a second."""

    def __init__(self, market: Stored, seed: int) -> None:
        draw = random.Random(seed)
        begins = (BEGIN + MINUTE * (EVERY * number + draw.uniform(0.2, 2)) for number in range(OUTAGES))
        self.outages = [(begin, begin + SECOND * draw.expovariate(1 / 20)) for begin in begins]
        self._candles = market.candles
        self.back: list[datetime] = []
        self.asked: list[tuple[datetime, str, datetime, datetime]] = []

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())

    def outage_of(self, time: datetime) -> tuple[datetime, datetime] | None:
        return next((outage for outage in self.outages if outage[0] <= time < outage[1]), None)

    async def connect(self) -> AsyncGenerator[Message, None]:
        if self.outage_of(self.now()):
            raise DisconnectedError("away.")
        self.back.append(self.now())
        ends = min((begin for begin, _ in self.outages if begin > self.now()), default=BEGIN + 10_000 * MINUTE)
        for at, message in self._messages(self.now()):
            await self._until(min(at, ends))
            if at >= ends:
                break
            yield message
        await self._until(ends)
        raise DisconnectedError("gone.")

    async def _until(self, time: datetime) -> None:
        await asyncio.sleep(max((time - self.now()).total_seconds(), 0.0))

    def _messages(self, since: datetime) -> list[tuple[datetime, Message]]:
        found = []
        for symbol, opened, *prices in self._candles.select("symbol", "open_time", *FELL).iter_rows():
            for share, closed in ((0.3, False), (0.7, False), (1.001, True)):
                traded = prices if closed else [*prices[:4], prices[4] * share]
                message = binance_kline(symbol, opened, traded, closed=closed, step=MINUTE)
                found.append((opened + share * MINUTE, message))
        return sorted(((at, message) for at, message in found if at > since), key=lambda sent: sent[0])

    async def rest(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        self.asked.append((self.now(), symbol, start, end))
        await asyncio.sleep(0.1)
        over = pl.col("open_time").is_between(start, end, closed="left"), pl.col("open_time") <= self.now() - MINUTE
        return self._candles.filter(pl.col("symbol") == symbol, *over)


def lived(market: Stored, exchange: Exchange) -> Replayed:
    found = Replayed(BEGIN, market.end)
    symbols = {f"{symbol}USDT": symbol for symbol in market.symbols}

    def publish(view: str, rows: pl.DataFrame, _: object) -> None:
        found.rows.setdefault(view, []).append(rows)

    def before(table: str, months: Sequence[str]) -> pl.DataFrame:
        rows = market.load(table, months)
        time = pl.col("event_timestamp") if "event_timestamp" in rows.columns else pl.col("open_time") + MINUTE
        return rows.filter(time <= BEGIN)

    edges = Edges(
        exchange, binance, symbols, exchange.rest, found.entries.extend, publish, exchange.now, lambda _: None
    )

    async def follow() -> None:
        live = Live(edges, Following(catalog, market.symbols, TERMS, before), MINUTE, TERMS.wait)
        with suppress(TimeoutError):
            async with asyncio.timeout((market.end + 40 * SECOND - BEGIN).total_seconds()):
                await live.run()
        found.counts = live.counts

    run(follow())
    return found


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_what_a_lost_connection_cost_is_there_in_five_seconds_once_and_nothing_else_is_asked_for(
    count: Callable[..., int],
) -> None:
    market, lost, longest = walks(("A", "B"), OUTAGES * EVERY, catalog), 0, timedelta(0)
    for seed in range(count(ci=1, proof=20)):
        exchange = Exchange(market, seed)
        found = lived(market, exchange)
        assert found.wrong(catalog, market) == [], f"seed {seed}"
        assert len(exchange.back) == OUTAGES + 1, f"seed {seed}"
        lost += OUTAGES
        known: dict[tuple[str, datetime], datetime] = {}
        for entry in filter(lambda one: one.how != "agreed", found.entries):
            known[entry.symbol, entry.open_time] = entry.known_at
            over = entry.open_time + MINUTE
            back = next((time for time in exchange.back if time >= over), over) if exchange.outage_of(over) else over
            longest = max(longest, entry.known_at - back)
            assert entry.known_at - back <= 5 * SECOND, f"seed {seed}: {entry}"
        for at, symbol, start, end in exchange.asked:
            times = pl.datetime_range(start + MINUTE, end, MINUTE, closed="left", eager=True)
            needless = [time for time in times if known[symbol, time] < at]
            assert needless == [], f"seed {seed}: {symbol} of {needless} was there at {at}, and asked for"
    assert lost == count(ci=OUTAGES, proof=200)
    assert longest > 2 * SECOND, "REST is not asked before"
