"""Candles as an exchange's websocket tells them: the messages of Binance, Bybit, OKX and Kraken, read. Pure."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from crypto_features.lake.spans import opening

_MILLISECOND = timedelta(milliseconds=1)
Prices = tuple[float, float, float, float, float]
"""Open, high, low, close and volume."""
PRICES = ("open", "high", "low", "close", "volume")
"""The names of `Prices`, in their order."""


class Told(NamedTuple):
    """What one message says of one candle.

    Args:
        symbol: The market by the exchange's own name, until the stream replaces it by ours.
        open_time: When the candle opens, UTC.
        closed: The exchange's own flag; `None` where it has none.
        prices: Open, high, low, close and volume.
        quote_volume: Volume in the quote currency, if the exchange tells it.
        trades: Number of trades, if it tells it.
        taker_buy_volume: Volume bought by orders that met a waiting one, if it tells it.
        sent: The exchange's own time of the message, UTC, if it tells it.
    """

    symbol: str
    open_time: datetime
    closed: bool | None
    prices: Prices
    quote_volume: float | None = None
    trades: int | None = None
    taker_buy_volume: float | None = None
    sent: datetime | None = None


Read = Callable[[Mapping[str, Any]], Iterator[Told]]
"""`read(message)`: the candles of a message. One that is malformed raises `KeyError`, `TypeError`, `ValueError` or
`IndexError`."""


def binance(message: Mapping[str, Any]) -> Iterator[Told]:
    """https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams: `<symbol>@kline_<interval>`."""
    k = message["k"]
    prices = _prices(k["o"], k["h"], k["l"], k["c"], k["v"])
    further = float(k["q"]), int(k["n"]), float(k["V"])
    yield Told(k["s"], _time(k["t"]), _flag(k["x"]), prices, *further, _time(message["E"]))


def bybit(message: Mapping[str, Any]) -> Iterator[Told]:
    """https://bybit-exchange.github.io/docs/v5/websocket/public/kline: `kline.<interval>.<symbol>`."""
    market = message["topic"].rpartition(".")[2]
    for k in message["data"]:
        prices = _prices(k["open"], k["high"], k["low"], k["close"], k["volume"])
        closed, sent = _flag(k["confirm"]), _time(k["timestamp"])
        yield Told(market, _time(k["start"]), closed, prices, float(k["turnover"]), sent=sent)


def okx(message: Mapping[str, Any]) -> Iterator[Told]:
    """https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-candlesticks-channel: `candle<interval>`."""
    market = message["arg"]["instId"]
    for time, open_, high, low, close, volume, _, quote_volume, confirm in message["data"]:
        prices = _prices(open_, high, low, close, volume)
        yield Told(market, _time(time), {"0": False, "1": True}[confirm], prices, float(quote_volume))


def kraken(message: Mapping[str, Any]) -> Iterator[Told]:
    """https://docs.kraken.com/api/docs/websocket-v2/ohlc: no flag, so that a candle is final by the one that follows.

    Of the history that a subscription begins with, only the newest candle of each market says which one is under way.
    """
    candles = message["data"]
    if message["type"] == "snapshot":
        candles = {one["symbol"]: one for one in sorted(candles, key=lambda one: one["interval_begin"])}.values()
    for k in candles:
        prices = _prices(k["open"], k["high"], k["low"], k["close"], k["volume"])
        opened, sent = (datetime.fromisoformat(text) for text in (k["interval_begin"], message["timestamp"]))
        yield Told(k["symbol"], opened, None, prices, trades=int(k["trades"]), sent=sent)


def name_of(exchange: str, market: Mapping[str, Any]) -> str:
    """The name of a market, as ccxt loads it, in the exchange's messages."""
    return str(market["symbol" if exchange == "kraken" else "id"])


READS: Mapping[str, Read] = {"binance": binance, "bybit": bybit, "okx": okx, "kraken": kraken}
"""By exchange, how its messages are read."""


def _prices(*values: Any) -> Prices:
    opened, high, low, close, volume = map(float, values)
    return opened, high, low, close, volume


def _time(milliseconds: Any) -> datetime:
    return opening(int(milliseconds), _MILLISECOND)


def _flag(value: Any) -> bool:
    """The flag; what is not one would count as true."""
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not a flag")
    return value
