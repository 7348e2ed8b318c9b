"""Asking REST, an hour later, whether what the stream called final was: a few candles at a time, oldest first. Pure."""

from datetime import datetime, timedelta

from crypto_features.lake.spans import Span, number, opening
from crypto_features.live.finality import Finality

_HOUR = timedelta(hours=1)
_MANY = 60
"""Candles of a symbol that are asked for before the hour is over."""
_SETTLED = timedelta(minutes=1)
"""How long after its close a candle is not asked for: REST may have it later."""
OLDEST = timedelta(days=1)
"""How long after its close at most: the batch fetches older ones again."""
_MOST = 300
"""Candles of one request: what every exchange gives at once."""
_SYMBOLS = 2
"""Symbols at once."""


class Audit:
    """Which candles REST is asked to confirm.

    Args:
        finality: What is final.
        interval: Length of a candle.
    """

    def __init__(self, finality: Finality, interval: timedelta) -> None:
        self._finality, self._interval = finality, interval
        self._again: dict[str, datetime] = {}

    def due(self, now: datetime) -> list[tuple[str, Span]]:
        """By symbol the candles to ask for now; each symbol is asked for again an hour later."""
        first, end = (number(now - ago, self._interval) for ago in (OLDEST, _SETTLED))
        found = []
        for symbol, candles in self._finality.unconfirmed(first).items():
            oldest = opening(candles[0] + 1, self._interval)
            is_time = len(candles) >= _MANY or oldest <= now - _HOUR
            if is_time and candles[0] < end and self._again.get(symbol, now) <= now:
                found.append((oldest, symbol, (candles[0], min(candles[-1] + 1, end, candles[0] + _MOST))))
        chosen = sorted(found)[:_SYMBOLS]
        self._again |= {symbol: now + _HOUR for _, symbol, _ in chosen}
        return [(symbol, span) for _, symbol, span in chosen]
