"""Nouns of the tests of futures: Binance's bulk files and its interface of perpetual futures on loopback."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from tests.market.exchanges import Exchange, _Handler, serve
from tests.market.test_archive import Archive, zipped

HOUR, FIVE = timedelta(hours=1), timedelta(minutes=5)
METRICS = (
    "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
FUNDING = "calc_time,funding_interval_hours,last_funding_rate"

Settlement = tuple[datetime, int, float]
"""Time, hours since the one before, rate."""


def ms(time: datetime) -> int:
    """Milliseconds since 1970."""
    return round(time.timestamp() * 1000)


def funding_csv(rows: Sequence[Settlement], header: str = FUNDING) -> bytes:
    """A monthly file of settlements."""
    lines = [f"{ms(time)},{hours},{rate:.8f}" for time, hours, rate in rows]
    return "\n".join([*([header] if header else []), *lines, ""]).encode()


def metrics_csv(times: Sequence[datetime], values: Sequence[Sequence[object]], header: str = METRICS) -> bytes:
    """A daily file of metrics."""
    lines = [
        f"{time:%Y-%m-%d %H:%M:%S},BTCUSDT,{','.join(map(str, row))}" for time, row in zip(times, values, strict=True)
    ]
    return "\n".join([header, *lines, ""]).encode()


def put(archive: Archive, kind: str, date: str, body: bytes, market: str = "BTCUSDT") -> None:
    """A zip with its checksum, where Binance keeps it."""
    span = "monthly" if kind == "fundingRate" else "daily"
    path = f"/data/futures/um/{span}/{kind}/{market}/{market}-{kind}-{date}.zip"
    packed = zipped(body)
    archive.files[path] = packed
    archive.files[f"{path}.CHECKSUM"] = f"{hashlib.sha256(packed).hexdigest()}  {path.rpartition('/')[2]}\n".encode()


@dataclass
class Futures(Exchange):
    """What a server of futures knows.

    Args:
        settlements: Times and rates, oldest first.
        broken_after: After so many pages of settlements, the others fail.
        interest: By time, open interest, its value and the ratio of all accounts.
    """

    settlements: Sequence[tuple[datetime, float]] = ()
    broken_after: int = 99
    interest: dict[datetime, tuple[float, float, float]] = field(default_factory=dict)


class _BinanceFutures(_Handler):
    """https://developers.binance.com/docs/derivatives: funding rates, open interest statistics, long-short ratios."""

    exchange: ClassVar[Any]

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path == "/api/v3/time":
            return 200, {"serverTime": ms(self.exchange.now)}
        if path == "/fapi/v1/exchangeInfo":
            return 200, {"timezone": "UTC", "symbols": [_market("BTC")]}
        start, size = int(query["startTime"]), int(query["limit"])
        if path == "/fapi/v1/fundingRate":
            return self._settlements(start, size)
        return self._statistics(path, start, size)

    def _settlements(self, start: int, size: int) -> tuple[int, Any]:
        if sum("fundingRate" in asked for asked in self.exchange.asked) > self.exchange.broken_after:
            return 500, {"code": -1001, "msg": "Internal error."}
        rows = [(ms(time), rate) for time, rate in self.exchange.settlements if start <= ms(time)]
        return 200, [
            {"symbol": "BTCUSDT", "fundingTime": time, "fundingRate": f"{rate:.8f}", "markPrice": "1.0"}
            for time, rate in rows[:size]
        ]

    def _statistics(self, path: str, start: int, size: int) -> tuple[int, Any]:
        if start < ms(self.exchange.now) - 30 * 86_400_000:
            return 400, {"code": -1130, "msg": "parameter 'startTime' is invalid."}
        found = [(ms(t), *v) for t, v in sorted(self.exchange.interest.items()) if start <= ms(t)][:size]
        if path == "/futures/data/openInterestHist":
            return 200, [
                {"symbol": "BTCUSDT", "sumOpenInterest": str(a), "sumOpenInterestValue": str(v), "timestamp": time}
                for time, a, v, _ in found
            ]
        if path == "/futures/data/globalLongShortAccountRatio":
            return 200, [{"symbol": "BTCUSDT", "longShortRatio": str(r), "timestamp": t} for t, _, _, r in found]
        return 404, {"code": -1, "msg": path}


def _market(base: str) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "pair": f"{base}USDT",
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "filters": [],
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
    }


@contextmanager
def binance_futures(exchange: Futures) -> Iterator[str]:
    """The address of a server of perpetual futures."""
    with serve(type("BinanceFutures", (_BinanceFutures,), {"exchange": exchange})) as url:
        yield url


def every(start: datetime, step: timedelta, count: int) -> list[datetime]:
    """Times at equal distances."""
    return [start + i * step for i in range(count)]


JANUARY = datetime(2024, 1, 1, tzinfo=UTC)
