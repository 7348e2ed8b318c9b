"""Which column of a vendor's file is which column of a candle."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crypto_features.errors import InputError

PRICES = ("open", "high", "low", "close")
_ALIASES = {
    "open": ("open", "o", "open_price", "opening_price"),
    "high": ("high", "h", "high_price", "highest_price"),
    "low": ("low", "l", "low_price", "lowest_price"),
    "close": ("close", "c", "close_price", "closing_price", "trade_price"),
}
_TIMES = (
    *("open_time", "opentime", "time_open", "start", "start_time", "unix", "unix_timestamp", "timestamp", "ts"),
    *("datetime", "date_time", "date_utc", "time_utc", "candle_date_time_utc", "date", "time"),
)
_BASE_VOLUMES = ("base_volume", "volume_base", "basevolume", "volumefrom", "candle_acc_trade_volume")
_PLAIN_VOLUMES = ("volume", "vol", "v")
_QUOTE_VOLUMES = (
    *("quote_volume", "volume_quote", "quotevolume", "quote_asset_volume", "volumeto", "turnover"),
    *("volume_currency", "candle_acc_trade_price"),
)
_CURRENCIES = ("usd", "usdt", "usdc", "busd", "eur", "gbp", "jpy", "krw", "btc", "eth", "dai", "fdusd", "tusd")
_PAIRS = ("symbol", "ticker", "pair", "market", "product_id", "tic")
KLINE = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
"""The columns of a Binance kline file, which has no header."""


@dataclass(frozen=True)
class Columns:
    """The file's column for each part of a candle.

    Args:
        times: Columns with the open time; several must agree. `("date", "time")` with `split` are one stamp's parts.
        prices: Open, high, low and close.
        volume: Volume in the base asset.
        quote_volume: Volume in the quote currency, if the file has one: it tells whether the other is what it says.
        pair: Column that names the market.
        split: Whether the day and the time of day are two columns.
    """

    times: tuple[str, ...]
    prices: tuple[str, str, str, str]
    volume: str
    quote_volume: str | None
    pair: str | None
    split: bool = False


def normalized(name: str) -> str:
    """A column name in lower case with single underscores.

    >>> normalized("<Volume (BTC)>")
    'volume_btc'
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def is_header(names: Sequence[str]) -> bool:
    """Whether these fields name the prices of a candle."""
    found = {normalized(name) for name in names}
    return all(found & set(aliases) for aliases in _ALIASES.values())


def recognize(names: Sequence[str], symbol: str, chosen: Mapping[str, str], where: str) -> Columns:
    """Find the columns of a candle among a file's columns.

    Args:
        names: The file's columns.
        symbol: The symbol that the file holds, for columns such as `Volume BTC`.
        chosen: What the user decided: the file's column for a candle's column.
        where: The file and its first rows, for errors.

    Raises:
        InputError: if a column is missing, or two could be meant.
    """
    for ours, theirs in chosen.items():
        if theirs not in names:
            raise InputError(f"CRYPTO_FEATURES_FILES_COLUMNS takes {ours} from {theirs!r}, which is no column. {where}")
    by_name: dict[str, list[str]] = {}
    for name in names:
        by_name.setdefault(normalized(name), []).append(name)

    def find(aliases: Sequence[str]) -> list[str]:
        return [name for alias in aliases for name in by_name.get(alias, ())]

    def one(ours: str, found: Sequence[str]) -> str:
        if ours in chosen:
            return chosen[ours]
        if len(found) != 1:
            problem = (
                f"could take {ours} from {' or '.join(map(repr, found))}" if found else f"has no column for {ours}"
            )
            raise InputError(f"the file {problem}; decide by CRYPTO_FEATURES_FILES_COLUMNS={ours}=<column>. {where}")
        return found[0]

    opened, high, low, close = (one(price, find(_ALIASES[price])) for price in PRICES)
    times = (chosen["open_time"],) if "open_time" in chosen else tuple(find(_TIMES))
    if not times:
        one("open_time", ())
    base = find([*_BASE_VOLUMES, *(f"{stem}_{symbol.lower()}" for stem in _PLAIN_VOLUMES), f"{symbol.lower()}_volume"])
    plain = find(_PLAIN_VOLUMES)
    others = [c for c in _CURRENCIES if c != symbol.lower()]
    quote = find([*_QUOTE_VOLUMES, *(f"volume_{c}" for c in others), *(f"{c}_volume" for c in others)])
    volume = one("volume", base or plain)
    rest = [name for name in (*quote, *plain, *base) if name != volume]
    pair = find(_PAIRS)
    return Columns(
        times=times,
        prices=(opened, high, low, close),
        volume=volume,
        quote_volume=rest[0] if rest else None,
        pair=pair[0] if pair else None,
        split={normalized(name) for name in times} == {"date", "time"},
    )
