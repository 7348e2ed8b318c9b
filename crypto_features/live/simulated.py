"""A simulated exchange: stored candles as messages and REST answers, with seeded faults, on the loop's clock."""

import asyncio
import random
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from crypto_features.errors import TransientError
from crypto_features.live.stream import DisconnectedError, Message

_PRICES = ("open", "high", "low", "close", "volume")
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - subtracted from times without their zone.


class SimulatedExchange:
    """Sends each candle as it grows, and its end: late, twice, out of order, or never; and loses connections.

    Faults of a seed are always the same. Of a candle that is under way when a session begins, the session's first
    message shows what was traded since then only.

    Args:
        candles: What is true, in the schema of candles, from `start` on.
        start: When the loop's clock begins, UTC.
        interval: Length of a candle.
        seed: Of the faults.
    """

    def __init__(self, candles: pl.DataFrame, start: datetime, interval: timedelta, seed: int) -> None:
        self._start, self._interval = start, interval
        parts = candles.sort("open_time").partition_by("symbol")
        self._candles = {part["symbol"][0]: (part["open_time"].to_list(), part) for part in parts}
        self._rows = candles.sort("open_time", "symbol").select("symbol", "open_time", *_PRICES).rows()
        self._random = random.Random(seed)  # noqa: S311 - faults that can be repeated.
        self._skew = timedelta(seconds=self._random.uniform(-3, 3))
        self.disconnected = 0

    @property
    def time(self) -> datetime:
        """The exchange's time."""
        return self._start + timedelta(seconds=asyncio.get_running_loop().time())

    def now(self) -> datetime:
        """The time by the clock of whoever listens, which is up to three seconds wrong."""
        return self.time + self._skew

    async def connect(self) -> AsyncGenerator[Message, None]:
        """The messages of one session."""
        draw, began = self._random, self.time
        await asyncio.sleep(draw.uniform(0.01, 0.3))
        if draw.random() < 0.1:  # noqa: PLR2004 - one in ten.
            raise DisconnectedError("the simulated exchange refuses.")
        ends = self.time + self._interval * draw.expovariate(1 / 8)
        for at, message in self._messages(began):
            if at >= ends:
                break
            await asyncio.sleep(max((at - self.time).total_seconds(), 0.0))
            yield message
        await asyncio.sleep(max((ends - self.time).total_seconds(), 0.0))
        self.disconnected += 1
        raise DisconnectedError("the simulated exchange is gone.")

    async def rest(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        """The candles of `[start, end)` that are over, which appear up to two seconds after they are."""
        await asyncio.sleep(self._random.uniform(0.02, 0.4))
        if self._random.random() < 0.05:  # noqa: PLR2004 - one in twenty.
            raise TransientError("the simulated exchange is busy.")
        over = self.time - self._interval - timedelta(seconds=self._random.uniform(0, 2))
        times, candles = self._candles[symbol]
        first, last = bisect_left(times, start), min(bisect_left(times, end), bisect_right(times, over))
        return candles.slice(first, max(last - first, 0))

    def _messages(self, began: datetime) -> list[tuple[datetime, Message]]:
        """What a session that begins then sends, and when."""
        found, first = [], set[str]()
        for symbol, opened, *prices in self._rows:
            if opened + self._interval <= began:
                continue
            partial = symbol not in first
            first.add(symbol)
            found += self._of_candle(symbol, opened, prices, began, partial=partial)
        return sorted(found, key=lambda sent: sent[0])

    def _of_candle(
        self, symbol: str, opened: datetime, prices: list[float], began: datetime, *, partial: bool
    ) -> list[tuple[datetime, Message]]:
        draw, (o, h, low, c, v) = self._random, prices
        close, found = opened + self._interval, list[tuple[datetime, Message]]()
        for share in sorted(draw.uniform(0.02, 0.98) for _ in range(3)):
            traded = [o, (o + h) / 2, (o + low) / 2, o + (c - o) * share, v * share]
            found.append((opened + self._interval * share, _kline(symbol, opened, traded, closed=False)))
        sent = [(at, message) for at, message in found if at > began]
        if partial:
            sent.append((max(began, opened), _kline(symbol, opened, [c, c, c, c, v * 0.01], closed=False)))
        late = timedelta(seconds=draw.expovariate(1 / 0.3) + (40 if draw.random() < 0.01 else 0))  # noqa: PLR2004 - one in a hundred.
        if draw.random() > 0.02:  # noqa: PLR2004 - one in fifty is lost.
            sent.append((close + late, _kline(symbol, opened, prices, closed=True)))
        if draw.random() < 0.05:  # noqa: PLR2004 - one in twenty comes twice, or an old one after it.
            again, closed = timedelta(seconds=draw.uniform(0, 4)), draw.random() < 0.5  # noqa: PLR2004 - as often as not.
            traded = prices if closed else [o, h, low, o, v / 2]
            sent.append((close + late + again, _kline(symbol, opened, traded, closed=closed)))
        return sent


def _kline(symbol: str, opened: datetime, prices: list[float], *, closed: bool) -> dict[str, Any]:
    """A message in Binance's form; numbers are read as their texts are."""
    time = (opened.replace(tzinfo=None) - _EPOCH) // _MILLISECOND
    o, h, low, c, v = prices
    k = {"t": time, "s": symbol, "o": o, "h": h, "l": low, "c": c, "v": v, "x": closed, "q": v * c, "n": 1, "V": v}
    return {"e": "kline", "E": time, "k": k}
