"""Every message that an exchange sends comes out of the stream, and a lost connection says so."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from crypto_features.errors import UnknownNameError
from crypto_features.live.stream import CcxtStream, DisconnectedError
from crypto_features.live.told import READS, Told
from tests.live.websockets import Websocket, markets, websocket
from tests.market.market import HOUR, START

BASES = tuple(f"C{number:02}" for number in range(25))


def stream(server: Websocket, *bases: str) -> CcxtStream:
    known = markets(server.exchange, *bases)
    return CcxtStream(server.exchange, known, [*known], "1h", server.url)


def collected(server: Websocket, sent: int, then: Callable[[], None], bases: tuple[str, ...] = BASES) -> list[Told]:
    """What comes until so many messages came; `then` is called once all subscriptions are there."""

    async def collect() -> list[Told]:
        found: list[Told] = []
        asked = asyncio.ensure_future(asyncio.to_thread(_when_subscribed, server, len(bases), then))
        async with aclosing(stream(server, *bases).connect()) as messages:
            async for message in messages:
                found += READS[server.exchange](message)
                if len(found) == sent:
                    break
        await asked
        return found

    return asyncio.run(asyncio.wait_for(collect(), 60))


def _when_subscribed(server: Websocket, topics: int, then: Callable[[], None]) -> None:
    while sum(map(len, server.topics)) < topics:
        time.sleep(0.01)
    then()


@pytest.mark.parametrize("exchange", READS)
def test_a_burst_of_final_candles_of_all_markets_comes_whole(exchange: str) -> None:
    with websocket(exchange) as server:
        texts = [
            server.kline(base, START + hour * HOUR, (1.0 + hour, 3.0, 0.5, 2.0, 10.0 + update), closed=update == 3)
            for hour in range(10)
            for update in range(4)
            for base in BASES
        ]
        told = collected(server, len(texts), lambda: server.push(*texts))
    assert len(told) == 1000
    ends = [one for one in told if one.prices[4] == 13.0]
    assert {one.closed for one in ends} == {None if exchange == "kraken" else True}
    finals = [(one.symbol, one.open_time) for one in ends]
    assert len(finals) == len({*finals}) == 250
    assert {one.prices for one in ends} == {(1.0 + hour, 3.0, 0.5, 2.0, 13.0) for hour in range(10)}


@pytest.mark.parametrize("exchange", READS)
def test_a_message_that_nobody_understands_ends_nothing(exchange: str) -> None:
    with websocket(exchange) as server:
        good = server.kline("C00", START, (1.0, 1.0, 1.0, 1.0, 1.0), closed=True)
        bad = [
            '{"e":"kline",',
            "[]",
            '{"e":"kline"}',
            '{"topic":"kline.60.X","data":[{}]}',
            '{"arg":{"channel":"candle1H"}}',
            '{"channel":"ohlc","type":"update","data":[{}]}',
        ]

        def read_each(message: Any) -> list[Told]:
            try:
                return [*READS[exchange](message)]
            except (KeyError, TypeError, ValueError, IndexError):
                return []

        async def collect() -> list[Told]:
            asked = asyncio.ensure_future(
                asyncio.to_thread(_when_subscribed, server, 1, lambda: server.push(*bad, good))
            )
            found: list[Told] = []
            async with aclosing(stream(server, "C00").connect()) as messages:
                while not found:
                    found = read_each(await anext(messages))
            await asked
            return found

        (told,) = asyncio.run(asyncio.wait_for(collect(), 60))
    assert told.prices == (1.0,) * 5


@pytest.mark.parametrize("exchange", READS)
def test_a_lost_connection_is_an_error_at_once(exchange: str) -> None:
    with websocket(exchange) as server, pytest.raises(DisconnectedError):
        collected(server, 1, server.drop, ("C00",))


def test_an_exchange_that_is_not_there_is_an_error() -> None:
    async def connect() -> None:
        async for _ in CcxtStream("binance", known, [*known], "1h", "ws://127.0.0.1:9").connect():
            raise AssertionError

    known = markets("binance", "C00")
    with pytest.raises(DisconnectedError):
        asyncio.run(asyncio.wait_for(connect(), 60))


def test_an_exchange_without_a_stream_of_candles_is_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match="coinbase"):
        CcxtStream("coinbase", {}, [], "1h")
