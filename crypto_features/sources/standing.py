"""Which symbols fell silent, and why, as far as the source knows: each is judged by its own last candle."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from crypto_features.durations import spoken

FORGOTTEN = timedelta(days=62)
"""A symbol that has been silent for longer is history: nobody waits for it."""


class Standing(StrEnum):
    """Why a symbol has no newer candle."""

    LATE = "late"
    """Its source offers it, and has not brought the candle yet."""
    HALTED = "halted"
    """Its market is not traded now."""
    DELISTED = "delisted"
    """Its market is no longer there, or the settings say that it ended."""
    GONE = "gone"
    """Its source does not offer it any more: its file was removed, or its name."""


_TODO = {
    Standing.LATE: "see whether the source has its candles; they are fetched as soon as it has.",
    Standing.HALTED: "wait until it is traded again, or take it out of CRYPTO_FEATURES_SYMBOLS.",
    Standing.DELISTED: "say until when its market was valid by CRYPTO_FEATURES_MARKETS, or take it out of "
    "CRYPTO_FEATURES_SYMBOLS; its history is kept.",
    Standing.GONE: "put its file back, or name the symbols that are wanted by CRYPTO_FEATURES_SYMBOLS.",
}


@dataclass(frozen=True)
class Silent:
    """A symbol whose next candle has closed and is not stored.

    Args:
        symbol: The symbol.
        standing: Why, as far as the source knows.
        close: When its last stored candle closed.
        overdue: How long ago the next one closed.
    """

    symbol: str
    standing: Standing
    close: datetime
    overdue: timedelta

    @property
    def sentence(self) -> str:
        last = f"its last candle closed at {self.close:%Y-%m-%d %H:%M} UTC"
        return f"{self.symbol} is {self.standing}: {last}, and the next one was due {spoken(self.overdue)} ago"

    @property
    def todo(self) -> str:
        return _TODO[self.standing]


def silent(
    last: Mapping[str, datetime],
    *,
    interval: timedelta,
    now: datetime,
    offered: Collection[str] | None = None,
    ended: Mapping[str, Standing] | None = None,
) -> tuple[Silent, ...]:
    """The symbols that fell silent within the last `FORGOTTEN`, sorted by name.

    Args:
        last: Open time of the last stored candle of each wanted symbol.
        interval: Length of a candle.
        now: The current time.
        offered: The symbols that the source offers; `None` if it cannot be asked.
        ended: What the source knows of symbols that are not traded.
    """
    found = []
    for symbol, opened in sorted(last.items()):
        close = opened + interval
        overdue = now - close - interval
        if timedelta(0) <= overdue <= FORGOTTEN:
            gone = offered is not None and symbol not in offered
            standing = Standing.GONE if gone else (ended or {}).get(symbol, Standing.LATE)
            found.append(Silent(symbol, standing, close, overdue))
    return tuple(found)
