"""Exchanges on loopback: the wire formats of Binance, Upbit, Kraken and Gate.

They answer late, wrongly or not at all when a test says so.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import polars as pl


@dataclass
class Fault:
    """One bad answer: a status, a body cut short or sent byte by byte, a connection reset, or a delay."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    reset: bool = False
    delay: float = 0.0
    pause: float = 0.0


@dataclass
class Exchange:
    """What a server knows: candles by market, the time, and the faults of its next answers.

    Args:
        candles: Candles in `CANDLE_SCHEMA`, with the market's base as the symbol.
        now: The exchange's clock.
        closed: Bases of markets that are no longer traded.
        lie: What becomes of the candles of each page, given its number from 0 and the candles as they would be sent.
    """

    candles: pl.DataFrame
    now: datetime
    closed: tuple[str, ...] = ()
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    key_seen: bool = False
    page_limit: int = 0
    lie: Callable[[int, list[Any]], Any] = lambda _, rows: rows

    def pages(self) -> list[str]:
        """The requests for candles."""
        return [path for path in self.asked if is_page(path)]

    def sent(self, rows: list[Any]) -> Any:
        """The candles of the page that is asked for now."""
        return self.lie(len(self.pages()) - 1, rows)

    def of(self, base: str) -> pl.DataFrame:
        """The market's candles that have begun, the last one unfinished."""
        return self.candles.filter(pl.col("symbol") == base, pl.col("open_time") <= self.now)


class _Handler(BaseHTTPRequestHandler):
    exchange: ClassVar[Exchange]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class.
        del format, args

    def do_GET(self) -> None:
        self.exchange.asked.append(self.path)
        self.exchange.started.append(time.monotonic())
        self.exchange.key_seen |= "X-MBX-APIKEY" in self.headers
        url = urlsplit(self.path)
        fault = self.exchange.faults.pop(0) if self.exchange.faults and is_page(url.path) else Fault()
        if fault.reset:
            self.close_connection = True
            self.connection.close()
            return
        time.sleep(fault.delay)
        status, answer = self.answer(url.path, {name: values[0] for name, values in parse_qs(url.query).items()})
        body = fault.body if fault.body is not None else json.dumps(answer).encode()
        if fault.cut:
            body = body[: len(body) // 2]
        self.send_response(fault.status if fault.status != 200 else status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):  # the client may have gone.
            for part in [body] if not fault.pause else (body[i : i + 1] for i in range(len(body))):
                self.wfile.write(part)
                time.sleep(fault.pause)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        raise NotImplementedError


class _Binance(_Handler):
    """https://developers.binance.com/docs/binance-spot-api-docs/rest-api: klines, exchangeInfo, time."""

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        bases = self.exchange.candles["symbol"].unique(maintain_order=True).to_list()
        if path == "/api/v3/time":
            return 200, {"serverTime": _ms(self.exchange.now)}
        if path == "/api/v3/exchangeInfo":
            return 200, {"timezone": "UTC", "symbols": [self._market(base) for base in bases]}
        base = query["symbol"].removesuffix("USDT")
        if base not in bases:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        length = timedelta(hours=1) if query["interval"] == "1h" else timedelta(minutes=1)
        limit = min(int(query.get("limit", 500)), self.exchange.page_limit or 1000)
        rows = self.exchange.of(base).filter(pl.col("open_time") >= _time(int(query["startTime"]))).head(limit)
        page = [
            [
                _ms(row["open_time"]),
                *(f"{row[name]:.8f}" for name in ("open", "high", "low", "close", "volume")),
                _ms(row["open_time"] + length) - 1,
                f"{row['volume'] * row['close']:.8f}",
                7,
                "1.0",
                "2.0",
                "0",
            ]
            for row in rows.iter_rows(named=True)
        ]
        return 200, self.exchange.sent(page)

    def _market(self, base: str) -> dict[str, Any]:
        return {
            "symbol": f"{base}USDT",
            "status": "BREAK" if base in self.exchange.closed else "TRADING",
            "baseAsset": base,
            "quoteAsset": "USDT",
            "isSpotTradingAllowed": base not in self.exchange.closed,
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "filters": [],
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
        }


class _Repeating(_Handler):
    status: ClassVar[int]
    said: ClassVar[Any]

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        del path, query
        return self.status, self.said


class _Upbit(_Handler):
    """https://docs.upbit.com: newest first, 200 a page, `to` exclusive, no candle for an hour without a trade."""

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        bases = self.exchange.candles["symbol"].unique(maintain_order=True).to_list()
        if path == "/v1/market/all":
            return 200, [{"market": f"KRW-{base}", "korean_name": base, "english_name": base} for base in bases]
        if not path.startswith("/v1/candles/minutes/60"):
            return 404, {"error": {"name": 404, "message": "no such path"}}
        if int(query["count"]) > 200:
            return 400, {"error": {"name": 400, "message": "count"}}
        to = datetime.fromisoformat(query["to"]) if "to" in query else self.exchange.now
        rows = (
            self.exchange.of(query["market"].removeprefix("KRW-"))
            .filter(pl.col("open_time") < to, pl.col("volume") > 0)
            .tail(int(query["count"]))
            .reverse()
        )
        return 200, [
            {
                "market": query["market"],
                "candle_date_time_utc": f"{row['open_time']:%Y-%m-%dT%H:%M:%S}",
                "candle_date_time_kst": f"{row['open_time'] + timedelta(hours=9):%Y-%m-%dT%H:%M:%S}",
                "opening_price": row["open"],
                "high_price": row["high"],
                "low_price": row["low"],
                "trade_price": row["close"],
                "timestamp": _ms(row["open_time"]) + 3_599_000,
                "candle_acc_trade_price": row["volume"] * row["close"],
                "candle_acc_trade_volume": row["volume"],
                "unit": 60,
            }
            for row in rows.iter_rows(named=True)
        ]


class _Kraken(_Handler):
    """https://docs.kraken.com/api: at most the 720 newest candles, whatever `since` says."""

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        bases = self.exchange.candles["symbol"].unique(maintain_order=True).to_list()
        if path == "/0/public/Time":
            return 200, {"error": [], "result": {"unixtime": _ms(self.exchange.now) // 1000}}
        if path == "/0/public/AssetPairs":
            return 200, {"error": [], "result": {f"{base}USDT": self._market(base) for base in bases}}
        base = query["pair"].removesuffix("USDT")
        since = _time(int(query["since"]) * 1000)
        rows = self.exchange.of(base).tail(720).filter(pl.col("open_time") > since)
        page = [
            [
                _ms(row["open_time"]) // 1000,
                *(str(row[name]) for name in ("open", "high", "low", "close")),
                "1.0",
                str(row["volume"]),
                7,
            ]
            for row in rows.iter_rows(named=True)
        ]
        return 200, {"error": [], "result": {query["pair"]: self.exchange.sent(page), "last": 0}}

    def _market(self, base: str) -> dict[str, Any]:
        names = {"altname": f"{base}USDT", "wsname": f"{base}/USDT", "base": base, "quote": "USDT"}
        return names | {"status": "online", "pair_decimals": 5, "lot_decimals": 8}


class _Gate(_Handler):
    """https://www.gate.com/docs/developers/apiv4: a span of at most 1,000, none before the 10,000 newest."""

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        bases = self.exchange.candles["symbol"].unique(maintain_order=True).to_list()
        if path == "/api/v4/spot/time":
            return 200, {"server_time": _ms(self.exchange.now)}
        if path == "/api/v4/spot/currency_pairs":
            return 200, [
                {"id": f"{base}_USDT", "base": base, "quote": "USDT", "trade_status": "tradable"}
                | {"precision": 4, "amount_precision": 4, "fee": "0.2"}
                for base in bases
            ]
        if path != "/api/v4/spot/candlesticks":
            return 200, []
        first, last = (_time(int(query[name]) * 1000) for name in ("from", "to"))
        if first < self.exchange.now - timedelta(hours=10_000):
            text = "Candlestick too long ago. Maximum 10000 points ago are allowed"
            return 400, {"label": "INVALID_PARAM_VALUE", "message": text}
        rows = self.exchange.of(query["currency_pair"].removesuffix("_USDT")).filter(
            pl.col("open_time").is_between(first, last)
        )
        page = [
            [
                str(_ms(row["open_time"]) // 1000),
                str(row["volume"] * row["close"]),
                *(str(row[name]) for name in ("close", "high", "low", "open", "volume")),
                "true",
            ]
            for row in rows.iter_rows(named=True)
        ]
        return 200, self.exchange.sent(page)


def is_page(path: str) -> bool:
    """Whether a request is for candles."""
    return any(word in path for word in ("kline", "candles", "OHLC"))


@contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def binance(exchange: Exchange) -> Iterator[str]:
    with serve(type("Binance", (_Binance,), {"exchange": exchange})) as url:
        yield url


@contextmanager
def repeating(status: int, said: Any) -> Iterator[str]:
    """An exchange that gives the same answer to every question."""
    exchange = Exchange(pl.DataFrame(), datetime(2024, 1, 1, tzinfo=UTC))
    with serve(type("Repeating", (_Repeating,), {"exchange": exchange, "status": status, "said": said})) as url:
        yield url


@contextmanager
def upbit(exchange: Exchange) -> Iterator[str]:
    with serve(type("Upbit", (_Upbit,), {"exchange": exchange})) as url:
        yield url


@contextmanager
def kraken(exchange: Exchange) -> Iterator[str]:
    with serve(type("Kraken", (_Kraken,), {"exchange": exchange})) as url:
        yield url


@contextmanager
def gate(exchange: Exchange) -> Iterator[str]:
    with serve(type("Gate", (_Gate,), {"exchange": exchange})) as url:
        yield url


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
