"""The layouts of files that are known: the names of their columns, and the order of those that have no header."""

import re
from collections.abc import Sequence
from itertools import pairwise

OPEN = ("open", "o", "open_price", "opening_price", "price_open", "px_open")
HIGH = ("high", "h", "high_price", "highest_price", "price_high", "px_high")
LOW = ("low", "l", "low_price", "lowest_price", "price_low", "px_low")
CLOSE = ("close", "c", "close_price", "closing_price", "trade_price", "price_close", "px_last", "close_last")
PRICE_NAMES = {"open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE}

OPEN_TIMES = (
    *("time_period_start", "open_time", "opentime", "time_open", "timeopen", "window_start", "start", "start_time"),
    *("starttime", "open_timestamp", "candle_begin_time", "candle_date_time_utc", "period_start", "begin"),
)
"""Columns that say by their name that they hold the time at which a candle opened, most exact first."""
TIMES = (
    *("unix", "unix_time", "unix_timestamp", "epoch", "timestamp", "time_stamp", "ts", "t", "datetime", "date_time"),
    *("date_utc", "time_utc", "utc", "date", "time", "day", "snapped_at", "timestamp_utc", "utc_time", "gmt_time"),
    "local_time",
)
"""Columns that hold a candle's time; several must agree."""
UNNAMED_TIMES = ("unnamed_0", "index", "level_0", "index_level_0", "price")
"""Where the index of a pandas frame stands, and in yfinance's files the dates; taken if nothing else holds times."""

BASE_VOLUMES = (
    *("base_volume", "volume_base", "basevolume", "volumefrom", "candle_acc_trade_volume", "volume_traded"),
    *("base_asset_volume", "vol_base", "basevol"),
)
PLAIN_VOLUMES = ("volume", "vol", "v")
QUOTE_VOLUMES = (
    *("quote_volume", "volume_quote", "quotevolume", "quote_asset_volume", "volumeto", "turnover", "quote_vol"),
    *("volume_currency", "candle_acc_trade_price", "volume_24h_usd"),
)
PAIRS = ("symbol", "ticker", "pair", "market", "product_id", "tic", "instrument", "inst_id", "instid", "symbol_id")
VOLUME_IS_QUOTE = ("adj_close", "adjclose", "market_cap", "marketcap", "mkt_cap")
"""A file with one of these columns is Yahoo's or CoinMarketCap's or made from it: its volume is in money."""

KLINE = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
"""The columns of a Binance kline file."""

_OHLC = ("open_time", "open", "high", "low", "close", "volume")
HEADERLESS = (
    KLINE,
    (*_OHLC, "close_time", "quote_volume"),  # MEXC
    (*_OHLC, "quote_volume_1", "quote_volume", "confirm"),  # OKX
    (*_OHLC, "extra"),  # Kraken's OHLCVT: trades; Bybit: turnover
    _OHLC,  # ccxt, freqtrade
    ("open_time", "open", "high", "low", "close", "vwap", "volume", "trades"),  # Kraken's interface
    ("open_time", "open", "close", "high", "low", "volume", "quote_volume"),  # KuCoin
    ("open_time", "open", "close", "high", "low", "volume"),  # Bitfinex
    ("open_time", "low", "high", "open", "close", "volume"),  # Coinbase
)
"""The columns of files and answers that have no header. Which it is, the number of columns and the prices say."""
_A_TIME = 1.2e9
"""No count of seconds, or of less, since 1970 is smaller where coins are traded."""
_TOLERANCE = 0.05
_NEAR_ONE = 2.0
"""At prices within a factor of two of 1, the sizes of two volumes do not tell them apart."""
_HOUR = re.compile(r"\d{1,2}:\d\d(?::\d\d)?")
_FEW = 3
_MOST = 0.9


def headerless(rows: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    """The one layout of `HEADERLESS` in whose columns no high is below, and no low above, a price of its row.

    A mean price lies between them, and a close time is a time. Where the last column may count the money that was
    paid, or the volume where the money stands before it, their sizes decide.

    Returns:
        Its columns; `None` if none fits, or if several do, as when no price ever moved.
    """
    if rows and len(rows[0]) > 1 and all(len(row) > 1 and _HOUR.fullmatch(row[1]) for row in rows):
        names = headerless([[row[0], *row[2:]] for row in rows])  # the day and its hour, as MetaTrader writes them.
        return names and ("date", "time", *names[1:])
    width = len(rows[0]) if rows else 0
    try:
        numbers = [[float(field) for field in row[1:]] for row in rows if len(row) == width]
    except ValueError:
        return None
    if not rows or len(numbers) < len(rows) or not all(row[0][:1].isdigit() for row in rows):
        return None
    fits = [layout for layout in HEADERLESS if len(layout) == width and all(_keeps(layout, row) for row in numbers)]
    if not fits or any(not _same_prices(a, b, row) for a, b in pairwise(fits) for row in numbers):
        return None
    return _by_size(fits[0], numbers)  # if several fit, every candle is the same by each.


def _by_size(layout: tuple[str, ...], rows: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """The layout with `extra` named as what it counts: money over base volume is a price between low and high."""
    if layout[-1] != "extra":
        return layout
    tells = [
        (volume, extra, low * (1 - _TOLERANCE), high * (1 + _TOLERANCE))
        for _, high, low, close, volume, extra in rows
        if volume > 0 and extra > 0 and close > 0 and max(close, 1 / close) > _NEAR_ONE
    ]
    if len(tells) < _FEW:
        return layout
    if sum(low <= extra / volume <= high for volume, extra, low, high in tells) >= _MOST * len(tells):
        return (*_OHLC, "quote_volume")
    if sum(low <= volume / extra <= high for volume, extra, low, high in tells) >= _MOST * len(tells):
        return (*_OHLC[:-1], "quote_volume", "volume")
    return layout


def _candle(layout: Sequence[str], row: Sequence[float]) -> tuple[float, ...]:
    return tuple(row[layout.index(name) - 1] for name in ("open", "high", "low", "close", "volume"))


def _keeps(layout: Sequence[str], row: Sequence[float]) -> bool:
    opened, high, low, close, volume = _candle(layout, row)
    others = dict(zip(layout[1:], row, strict=True))
    mean, closed = others.get("vwap", 0.0), others.get("close_time", _A_TIME)
    is_right = (mean == 0 or low <= mean <= high) and closed >= _A_TIME
    return is_right and high >= max(opened, low, close) and low <= min(opened, close) and volume >= 0


def _same_prices(one: Sequence[str], other: Sequence[str], row: Sequence[float]) -> bool:
    return _candle(one, row) == _candle(other, row)
