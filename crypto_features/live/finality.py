"""Which candles of a stream are final: by the exchange's flag, by a successor or by REST; never by a clock. Pure.

The first message of a symbol in a session only primes it: the exchange may have begun that candle's count with the
connection. Where an exchange flags closed candles, a successor proves only that the one before is missing. What is
silent is missing, and only REST fills it; nothing is made up. The clock decides only when REST is asked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from crypto_features.lake.spans import Span, joined, number, opening
from crypto_features.live.told import Prices, Told

LATE = timedelta(seconds=2)
"""How long after its close a candle may come by itself before REST is asked for it."""
_KEPT = 1000
"""Final candles of a symbol whose values are remembered, to notice one that comes again with others."""


class How(StrEnum):
    """How a candle became final."""

    FLAG = "flag"
    SUCCESSOR = "successor"
    REST = "rest"


class Final(NamedTuple):
    """A final candle, and its entry in the ledger.

    Args:
        symbol: The symbol.
        open_time: When it opens, UTC.
        prices: Open, high, low, close and volume.
        how: How it became final.
        at: When it was known to be final, UTC.
        quote_volume: Volume in the quote currency, if the exchange tells it.
        trades: Number of trades, if it tells it.
        taker_buy_volume: Volume bought by orders that met a waiting one, if it tells it.
        corrects: Whether it contradicts the same candle that was final before.
        sent: The exchange's own time of the message that told it, UTC, if it tells one.
    """

    symbol: str
    open_time: datetime
    prices: Prices
    how: How
    at: datetime
    quote_volume: float | None = None
    trades: int | None = None
    taker_buy_volume: float | None = None
    corrects: bool = False
    sent: datetime | None = None


@dataclass
class _Market:
    """What is known of one symbol; candles by their number.

    Args:
        since: The first candle that is neither final nor given up.
    """

    since: int
    final: dict[int, Prices] = field(default_factory=dict)
    given_up: set[int] = field(default_factory=set)
    doubted: set[int] = field(default_factory=set)
    """Final ones that the stream sent again with other values."""
    unconfirmed: dict[int, None] = field(default_factory=dict)
    """Final ones that only the stream has told, in the order in which it did."""
    primed: int | None = None
    """The candle of the session's first message."""
    running: Told | None = None
    begun: int = -1
    """The newest candle that a message was about."""

    def is_final(self, candle: int) -> bool:
        return candle in self.final or (candle < self.since and candle not in self.given_up)

    def settle(self, candle: int, prices: Prices) -> None:
        self.final[candle] = prices
        self.unconfirmed.pop(candle, None)
        self.given_up.discard(candle)
        self.doubted.discard(candle)
        while self.since in self.final or self.since in self.given_up:
            self.since += 1
        while len(self.final) > _KEPT:
            del self.final[min(self.final)]


class Finality:
    """What a stream and REST have told of some symbols, and what of it is final.

    Args:
        interval: Length of a candle.
        known: By symbol the open time of its newest candle that is stored already; of the others the first one that
            the stream begins is the first.
    """

    def __init__(self, interval: timedelta, known: Mapping[str, datetime]) -> None:
        self._interval = interval
        self._markets = {symbol: _Market(number(time, interval) + 1) for symbol, time in known.items()}

    def remember(self, symbol: str, time: datetime, prices: Prices) -> None:
        """A candle that an earlier process took as final, and that REST has not confirmed."""
        if market := self._markets.get(symbol):
            candle = number(time, self._interval)
            market.settle(candle, prices)
            market.unconfirmed[candle] = None

    def connected(self) -> None:
        """Begin a session: the next message of each symbol only primes it."""
        for market in self._markets.values():
            market.primed, market.running = None, None

    def take(self, told: Told, at: datetime) -> list[Final]:
        """The candles that a message makes final.

        Args:
            told: What the message says.
            at: When it was received, UTC, which is noted. A stamp that lies a candle after that, and after the
                exchange's own time of the message, is wrong and says nothing.
        """
        latest = max(at, told.sent or at) + self._interval
        if (told.open_time - opening(0, self._interval)) % self._interval or told.open_time > latest:
            return []
        candle = number(told.open_time, self._interval)
        market = self._markets.setdefault(told.symbol, _Market(candle))
        before, market.begun = market.running, max(market.begun, candle)
        if market.primed is None:
            market.primed, market.running = candle, told
            return []
        if market.is_final(candle):
            if told.closed is not False and market.final.get(candle, told.prices) != told.prices:
                market.doubted.add(candle)
            return []
        if told.closed:
            return [self._settle(market, told, How.FLAG, at)]
        found: list[Final] = []
        if before is None or told.open_time >= before.open_time:
            market.running = told
            if before is not None and self._proves(market, before, told):
                found.append(self._settle(market, before, How.SUCCESSOR, at))
        return found

    def filled(
        self, symbol: str, candles: Iterable[tuple[datetime, Prices]], at: datetime
    ) -> tuple[list[Final], list[datetime]]:
        """What REST says of some candles that are over by the exchange's clock.

        Returns:
            Those that it makes final or corrects, oldest first, and the open times of those on which both agree.
        """
        market, found, agreed = self._markets[symbol], list[Final](), list[datetime]()
        for time, prices in candles:
            candle = number(time, self._interval)
            market.unconfirmed.pop(candle, None)
            if candle in market.final and market.final[candle] == prices:
                market.doubted.discard(candle)
                agreed.append(time)
            elif candle in market.final or not market.is_final(candle):
                corrects = candle in market.final
                market.settle(candle, prices)
                found.append(Final(symbol, time, prices, How.REST, at, corrects=corrects))
        return found, agreed

    def missing(self, at: datetime) -> dict[str, list[Span]]:
        """By symbol the candles that REST is to be asked for: those that are late, and those in doubt.

        Args:
            at: The time, UTC. It says which candles are late, and makes none final.
        """
        found = {}
        for symbol, market in self._markets.items():
            over = max(number(at - LATE, self._interval), market.begun - 1)
            late = (n for n in range(market.since, over) if not market.is_final(n) and n not in market.given_up)
            if spans := joined((n, n + 1) for n in (*late, *market.doubted)):
                found[symbol] = spans
        return found

    def unconfirmed(self, since: int) -> dict[str, list[int]]:
        """By symbol the numbers of the candles that only the stream has told, from one on; older ones are forgotten."""
        found = {}
        for symbol, market in self._markets.items():
            while market.unconfirmed and (oldest := next(iter(market.unconfirmed))) < since:
                del market.unconfirmed[oldest]
            if market.unconfirmed:
                found[symbol] = sorted(market.unconfirmed)
        return found

    def give_up(self, symbol: str, candles: Span) -> None:
        """Leave what REST does not have to the batch. One of them that still comes is final all the same."""
        market = self._markets[symbol]
        market.given_up |= {n for n in range(*candles) if not market.is_final(n)}
        market.doubted -= {*range(*candles)}
        while market.since in market.final or market.since in market.given_up:
            market.since += 1

    def waits(self, symbol: str, time: datetime) -> bool:
        """Whether a candle before this one is missing and still asked for."""
        return self._markets[symbol].since < number(time, self._interval)

    def _proves(self, market: _Market, before: Told, told: Told) -> bool:
        """Whether a candle without a flag is proven to be final by the one that follows it in the same session."""
        candle = number(before.open_time, self._interval)
        follows = before.closed is None and told.open_time > before.open_time
        return follows and candle != market.primed and not market.is_final(candle)

    def _settle(self, market: _Market, told: Told, how: How, at: datetime) -> Final:
        candle = number(told.open_time, self._interval)
        market.settle(candle, told.prices)
        market.unconfirmed[candle] = None
        further = told.quote_volume, told.trades, told.taker_buy_volume
        return Final(told.symbol, told.open_time, told.prices, how, at, *further, sent=told.sent)
