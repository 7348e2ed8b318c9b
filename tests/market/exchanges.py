"""Exchanges on loopback: the wire formats of Binance and Upbit, answered late, wrongly or not at all when told to."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import polars as pl


@dataclass
class Fault:
    """One bad answer: a status, a body cut short, a connection reset, or a delay."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    reset: bool = False
    delay: float = 0.0


@dataclass
class Exchange:
    """What a server knows: candles by market, the time, and the faults of its next answers.

    Args:
        candles: Candles in `CANDLE_SCHEMA`, with the market's base as the symbol.
        now: The exchange's clock.
        closed: Bases of markets that are no longer traded.
    """

    candles: pl.DataFrame
    now: datetime
    closed: tuple[str, ...] = ()
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    started: list[float] = field(default_factory=list)
    key_seen: bool = False
    page_limit: int = 0

    def pages(self) -> list[str]:
        """The requests for candles."""
        return [path for path in self.asked if "kline" in path or "candles" in path]

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
        fault = self.exchange.faults.pop(0) if self.exchange.faults and self.is_page(url.path) else Fault()
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
        self.wfile.write(body)

    def is_page(self, path: str) -> bool:
        return "kline" in path or "candles" in path

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
        return 200, [
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
def upbit(exchange: Exchange) -> Iterator[str]:
    with serve(type("Upbit", (_Upbit,), {"exchange": exchange})) as url:
        yield url


def _ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
