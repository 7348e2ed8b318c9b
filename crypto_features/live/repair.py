"""Asking REST for the candles that a stream lacks: only those, more rarely each time, and not forever."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from crypto_features.errors import CryptoFeaturesError
from crypto_features.lake.spans import Span, opening
from crypto_features.live.finality import Final, Finality
from crypto_features.live.told import PRICES

Rest = Callable[[str, datetime, datetime], Awaitable[pl.DataFrame]]
"""`await rest(symbol, start, end)`: the candles that open in `[start, end)` and are over by the exchange's clock."""
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=1)


@dataclass
class _Asked:
    """When a span was asked for first, when it is again, and how long after that."""

    first: datetime
    again: datetime
    pause: timedelta = _FIRST_PAUSE


class Repair:
    """Fills what is missing through REST.

    Args:
        finality: What is final.
        rest: The exchange's REST.
        interval: Length of a candle.
        wait: How long REST is asked for a candle that it does not have; afterwards the batch is.
        parallel: How many symbols are asked for at once.

    Attributes:
        troubles: By symbol why REST did not answer the last time.
    """

    def __init__(
        self, finality: Finality, rest: Rest, *, interval: timedelta, wait: timedelta, parallel: int = 4
    ) -> None:
        self._finality, self._rest, self._interval, self._wait = finality, rest, interval, wait
        self._turns = asyncio.Semaphore(parallel)
        self._asked: dict[tuple[str, int], _Asked] = {}
        self.troubles: dict[str, str] = {}

    def due(self, now: datetime) -> list[tuple[str, Span]]:
        """What is to be asked for now; what REST did not have for too long is given up."""
        missing = [(symbol, span) for symbol, spans in self._finality.missing(now).items() for span in spans]
        self._asked = {
            (symbol, start): self._asked.get((symbol, start)) or _Asked(now, now) for symbol, (start, _) in missing
        }
        found = []
        for symbol, span in missing:
            asked = self._asked[symbol, span[0]]
            if now - asked.first > self._wait:
                self._finality.give_up(symbol, span)
            elif asked.again <= now:
                asked.again, asked.pause = now + asked.pause, min(2 * asked.pause, _LONGEST_PAUSE)
                found.append((symbol, span))
        return found

    async def fill(self, symbol: str, span: Span, now: Callable[[], datetime]) -> tuple[list[Final], list[datetime]]:
        """What REST says of a span and of the candle before it, as `Finality.filled` takes it."""
        start, end = (opening(candle, self._interval) for candle in span)
        async with self._turns:
            try:
                candles = await self._rest(symbol, start - self._interval, end)
            except CryptoFeaturesError as error:
                self.troubles[symbol] = str(error)
                return [], []
        self.troubles.pop(symbol, None)
        rows = candles.select("open_time", *PRICES).iter_rows()
        return self._finality.filled(symbol, ((time, tuple(prices)) for time, *prices in rows), now())
