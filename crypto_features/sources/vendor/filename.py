"""What the name of a vendor's file says: the market, the candles' length, and whether they are of a spot market."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache

from crypto_features.lake.path_parts import in_capitals
from crypto_features.sources.vendor.pairs import MONEY, is_exchange, pairs

SUFFIXES = (".csv", ".parquet", ".feather", ".arrow", ".json", ".jsonl", ".ndjson")
PACKED = (".gz", ".zip", ".zst")
_DATE = (
    r"(?:\d{1,2}[._]\d{1,2}[._]20\d\d|20\d{10}(?:\d\d)?"
    r"|20\d\d(?:[-_.]?(?:0[1-9]|1[0-2])(?:[-_.]?(?:0[1-9]|[12]\d|3[01]))?)?|\d{10}(?:\d{3})?)"
)
_SPAN = re.compile(rf"(?:(?:^|[-_ .]+)(?:to[-_ .]+)?{_DATE})+(?=[-_ .]|$)", re.IGNORECASE)
_VENDORS = (
    re.compile(r"DAT_(?:ASCII|MT|NT|MS|XLSX)_(?P<market>[A-Z0-9]+)_(?P<length>M1|T)", re.IGNORECASE),  # HistData
    re.compile(r"(?P<market>.+), (?P<length>\d+|\d*[SHDWM])(?:_[0-9a-f]+)?"),  # TradingView
    re.compile(r"(?P<market>.+)_Candlestick_(?P<length>\d+_[A-Za-z]+)_(?:BID|ASK)", re.IGNORECASE),  # Dukascopy
    re.compile(r"(?P<market>.+)_historical_data_coinmarketcap", re.IGNORECASE),
)
"""How vendors name files in their own ways, once the dates are taken out."""
_HISTDATA = re.compile(r"DAT_[A-Z]+_", re.IGNORECASE)
_COPY = re.compile(r"\s*\(\d+\)$")
_NEEDS_A_NUMBER = ("s", "t", "w")
_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes", "t"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hr", "hour", "hours", "hourly"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days", "daily"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks", "weekly"), timedelta(days=7)),
    **dict.fromkeys(("mo", "mn", "month", "monthly"), timedelta(days=30)),
}
_WORDS = frozenset(["SPOT", "OHLC", "OHLCV", "OHLCVT", "KLINE", "KLINES", "CANDLE", "CANDLES", "HISTORICAL", "HISTORY"])
_OTHER_KINDS = frozenset(["FUTURES", "MARK", "INDEX", "FUNDING_RATE", "PREMIUMINDEX"])
_OTHER_FOLDERS = frozenset(["FUTURES", "INDEXPRICEKLINES", "MARKPRICEKLINES", "PREMIUMINDEXKLINES"])
_KRAKEN_MINUTES = frozenset(["1", "5", "15", "30", "60", "240", "720", "1440"])


@dataclass(frozen=True)
class FileName:
    """A file's name, taken apart.

    Args:
        market: The market as it is written, in capitals; empty if the name has none.
        length: Length of a candle, if the name says it.
        kind: What the file holds in place of spot candles, such as `FUTURES`; empty if the name says nothing of it.
        zone: Time zone of the stamps that a vendor of such names is known for; empty if the name says nothing of it.
    """

    market: str
    length: timedelta | None = None
    kind: str = ""
    zone: str = ""


def is_candle_file(name: str) -> bool:
    """Whether a name ends as files of candles do, packed or not.

    >>> is_candle_file("BTCUSDT-1h-2024-01.zip"), is_candle_file("BTC.csv.gz"), is_candle_file("BTC.zip.CHECKSUM")
    (True, True, False)
    """
    return not name.startswith(".") and name.lower().endswith((*SUFFIXES, *PACKED))


@lru_cache(maxsize=65_536)
def parse(name: str) -> FileName:
    """Take a file's name apart.

    >>> parse("BTCUSDT-1h-2024-01.zip").market, parse("Binance_BTCUSDT_d.csv").length
    ('BTCUSDT', datetime.timedelta(days=1))
    >>> parse("BINANCE_BTCUSDT, 60.csv").market, parse("DAT_ASCII_BTCUSD_M1_2024.csv").zone
    ('BTCUSDT', 'Etc/GMT+5')
    >>> parse("BTC_USDT-1h.feather").market, parse("BTC-USD.csv").market
    ('BTC_USDT', 'BTC-USD')
    """
    stem = name
    while (suffix := next((s for s in (*PACKED, *SUFFIXES) if stem.lower().endswith(s)), None)) and stem != suffix:
        stem = stem[: -len(suffix)]
    stem = _SPAN.sub("", _COPY.sub("", stem))
    if named := next(filter(None, (vendor.fullmatch(stem) for vendor in _VENDORS)), None):
        stem = _in_common(**named.groupdict())
        return replace(parse(f"{stem}.csv"), zone="Etc/GMT+5" if _HISTDATA.match(name) else "")
    kind = next((k for k in _OTHER_KINDS if re.search(rf"[-_]{k}$", stem, re.IGNORECASE)), "")
    stem = re.sub(rf"[-_]{kind}$", "", stem, flags=re.IGNORECASE) if kind else stem
    parts = re.split(r"([-_ ]+)", stem)
    length: timedelta | None = None
    kept: list[str] = []
    for i in range(0, len(parts), 2):
        part, later, is_first = parts[i], "".join(parts[i + 2 : i + 3]), not kept
        others = len(parts) > 1
        if others and length is None and (found := _length(part, alone=is_first)):
            length = found
        elif not (others and (is_exchange(part, later) or _says_no_market(part, kept, later, length))):
            kept += [parts[i - 1]] if kept else []
            kept.append(part)
    if length is None and len(kept) > 1 and kept[-1] in _KRAKEN_MINUTES:
        market, minutes = "".join(kept[:-2]), kept[-1]
        if any(pair.quote for pair in pairs(market)):
            return FileName(market.upper(), timedelta(minutes=int(minutes)), kind)
    return FileName(in_capitals("".join(kept)), length, kind)


def kind_of_folder(name: str) -> str:
    """What a folder of this name holds in place of spot candles, as Binance and freqtrade call it; empty if spot."""
    return name.upper() if name.upper() in _OTHER_FOLDERS else ""


def _in_common(market: str, length: str = "") -> str:
    """A vendor's market and length as most files are named: a number alone counts minutes, `M` alone is a month."""
    if not length:
        return market
    if length.isdecimal():
        return f"{market}-{length}min"
    return f"{market}-{'1mo' if length == 'M' else length.replace('_', '')}"


def _says_no_market(part: str, before: Sequence[str], later: str, length: timedelta | None) -> bool:
    """Whether a part of a name only says what files of candles are called; `SPOT_USDT` and `BTC_DATA` are markets."""
    if not before:
        return part.upper() in _WORDS and later.upper() not in {"", *MONEY} and not _length(later, alone=False)
    if part.upper() == "DATA":
        return length is not None or any(pair.quote for pair in pairs("".join(before)))
    return part.upper() in _WORDS


def _length(part: str, *, alone: bool) -> timedelta | None:
    """`1h`, `15min`, `d`: a number and a unit, or, behind the market, a unit alone; `1M` is a month, `1m` a minute."""
    swapped = None if alone else re.fullmatch(r"(M|H|D|W|MN)(\d+)", part)  # MetaTrader's H1
    match = re.fullmatch(r"(\d*)([A-Za-z]+)", f"{swapped[2]}{swapped[1]}" if swapped else part)
    if not match or (not match[1] and (alone or part.lower() in _NEEDS_A_NUMBER)):
        return None
    unit = _UNITS.get("month" if part == "1M" else match[2].lower())
    return int(match[1] or 1) * unit if unit else None
