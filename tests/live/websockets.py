"""Websockets on loopback that speak the candle formats of Binance, Bybit, OKX and Kraken, in a thread of their own."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import ccxt.pro
from aiohttp import WSMsgType, web

PATHS = {"binance": "/stream/{number}", "bybit": "/v5/public/spot", "okx": "/ws/v5/business", "kraken": "/v2"}


def binance_kline(
    base: str, opened: datetime, prices: Sequence[float], *, closed: bool, step: timedelta
) -> dict[str, Any]:
    o, h, low, c, v = (repr(value) for value in prices)
    k = {"t": _ms(opened), "T": _ms(opened + step) - 1, "s": f"{base}USDT", "i": "1h", "f": 1, "L": 2, "o": o, "c": c}
    k |= {"h": h, "l": low, "v": v, "n": 7, "x": closed, "q": repr(prices[3] * prices[4]), "V": "1.0", "Q": "1.0"}
    return {"e": "kline", "E": _ms(opened + step), "s": f"{base}USDT", "k": k}


def bybit_kline(
    base: str, opened: datetime, prices: Sequence[float], *, closed: bool, step: timedelta
) -> dict[str, Any]:
    o, h, low, c, v = (repr(value) for value in prices)
    k = {"start": _ms(opened), "end": _ms(opened + step) - 1, "interval": "60", "open": o, "close": c, "high": h}
    k |= {"low": low, "volume": v, "turnover": "1.0", "confirm": closed, "timestamp": _ms(opened + step)}
    return {"topic": f"kline.60.{base}USDT", "ts": _ms(opened + step), "type": "snapshot", "data": [k]}


def okx_candle(
    base: str, opened: datetime, prices: Sequence[float], *, closed: bool, step: timedelta
) -> dict[str, Any]:
    del step
    row = [str(_ms(opened)), *(repr(value) for value in prices), "1.0", "1.0", "1" if closed else "0"]
    return {"arg": {"channel": "candle1H", "instId": f"{base}-USDT"}, "data": [row]}


def kraken_candle(
    base: str, opened: datetime, prices: Sequence[float], *, closed: bool, step: timedelta
) -> dict[str, Any]:
    del closed
    o, h, low, c, v = prices
    k = {"symbol": f"{base}/USDT", "open": o, "high": h, "low": low, "close": c, "trades": 7, "volume": v, "vwap": c}
    k |= {"interval_begin": _iso(opened), "interval": step // timedelta(minutes=1), "timestamp": _iso(opened + step)}
    return {"channel": "ohlc", "type": "update", "timestamp": _iso(opened + step), "data": [k]}


KLINES: Mapping[str, Callable[..., dict[str, Any]]] = {
    "binance": binance_kline,
    "bybit": bybit_kline,
    "okx": okx_candle,
    "kraken": kraken_candle,
}


class Websocket:
    """What a server sends and was asked for."""

    def __init__(self, exchange: str, step: timedelta) -> None:
        self.exchange, self.step = exchange, step
        self.loop = asyncio.new_event_loop()
        self.sockets: set[web.WebSocketResponse] = set()
        self.topics: list[list[str]] = []
        self.sessions = 0
        self.url = ""

    def kline(self, base: str, opened: datetime, prices: Sequence[float], *, closed: bool) -> str:
        return json.dumps(KLINES[self.exchange](base, opened, prices, closed=closed, step=self.step))

    def push(self, *texts: str) -> None:
        """Send texts to everybody who is connected."""

        async def send() -> None:
            for socket in [*self.sockets]:
                for text in texts:
                    await socket.send_str(text)

        self._run(send())

    def drop(self) -> None:
        """Cut every connection, without a word."""

        async def abort() -> None:
            for socket in [*self.sockets]:
                transport = socket._req.transport if socket._req else None
                if transport is not None:
                    transport.abort()

        self._run(abort())

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.add(socket)
        self.sessions += 1
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT and message.data != "ping":
                    await self._answer(socket, json.loads(message.data))
        finally:
            self.sockets.discard(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, asked: Mapping[str, Any]) -> None:
        given = asked.get("params") or asked.get("args") or []
        topics = given.get("symbol", []) if isinstance(given, dict) else given
        if self.exchange == "bybit" and len(topics) > 10:
            refused = {"success": False, "ret_msg": "args size >10", "req_id": asked["req_id"], "op": asked["op"]}
            await socket.send_str(json.dumps(refused))
            return
        self.topics.append([topic if isinstance(topic, str) else topic["channel"] for topic in topics])
        if self.exchange == "binance":
            await socket.send_str(json.dumps({"result": None, "id": asked["id"]}))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)


@contextmanager
def websocket(exchange: str, step: timedelta = timedelta(hours=1)) -> Iterator[Websocket]:
    """A server on a free port of loopback."""
    server = Websocket(exchange, step)
    thread = threading.Thread(target=server.loop.run_forever)
    thread.start()

    async def begin() -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.get(PATHS[exchange], server.handle)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        server.url = f"ws://{host}:{port}"
        return runner

    runner = asyncio.run_coroutine_threadsafe(begin(), server.loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), server.loop).result(10)
        server.loop.call_soon_threadsafe(server.loop.stop)
        thread.join()
        server.loop.close()


def markets(exchange: str, *bases: str) -> dict[str, Any]:
    """Spot markets against USDT, as ccxt loads them."""
    join = {"okx": "-", "kraken": "/"}.get(exchange, "")
    client = getattr(ccxt.pro, exchange)()
    found: dict[str, Any] = {}
    for base in bases:
        name = f"{base}{join}USDT"
        known = {"id": name, "lowercaseId": name.lower(), "symbol": f"{base}/USDT", "base": base, "quote": "USDT"}
        kind = {"type": "spot", "spot": True, "active": True, "contract": False, "option": False}
        found[f"{base}/USDT"] = client.safe_market_structure(known | kind)
    return found


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.000000000Z"


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)
