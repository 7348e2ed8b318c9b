"""The market that a vendor's text names: its base and its quote, however exchanges write them."""

import re
from dataclasses import dataclass
from itertools import zip_longest

from crypto_features.lake.path_parts import in_capitals

MONEY = (
    *("USDT", "USDC", "BUSD", "TUSD", "FDUSD", "DAI", "USDP", "USDS", "PYUSD", "UST", "USD", "EUR", "GBP", "JPY"),
    *("KRW", "AUD", "CAD", "CHF", "BRL", "TRY", "INR", "IDR", "MXN", "RUB", "UAH", "NGN", "ZAR", "PLN", "SGD"),
    *("HKD", "VND"),
)
"""Currencies and what is pegged to one; a symbol alone, such as BTC, is priced in one of these."""
_QUOTES = (*MONEY, "BTC", "XBT", "ETH", "BNB", "SOL")
_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}
EXCHANGES = frozenset(
    {
        *("BINANCE", "BINANCEUS", "BITFINEX", "BITGET", "BITHUMB", "BITMEX", "BITSTAMP", "BITTREX", "BYBIT", "CEX"),
        *("CEXIO", "COINBASE", "CRYPTOCOM", "DERIBIT", "EXMO", "FTX", "GATE", "GATEIO", "GDAX", "GEMINI", "HTX"),
        *("BFNX", "BNCE", "CBSE", "GMNI", "HUOB", "KRKN", "STMP"),  # Kaiko's codes
        *("HUOBI", "ITBIT", "KRAKEN", "KUCOIN", "LBANK", "MEXC", "OKCOIN", "OKEX", "OKX", "POLONIEX", "UPBIT"),
    }
)
_CONTRACTS = frozenset(["PERP", "PERPETUAL", "SWAP", "FTS", "FUT"])
_CONTRACT = re.compile(
    r"[^:]+/[^:]+:"  # BTC/USDT:USDT, with the currency of its settlement.
    r"|.*[-_ /.](?:PERP|PERPETUAL|SWAP|FTS|FUT|FUTURES?|OPT|CW|NW|CQ|NQ)(?:[-_ /.:]|$)|.*[A-Z0-9]PERP$|.*\.P$"
    r"|.*[-_](?:\d{4}|\d{6}|\d{8}|\d{1,2}[A-Z]{3}\d{2,4})(?:[-_]|$)"  # BTCUSDT_240329, BTC-29MAR24.
    r"|(?:PI|PF|FI|FF)_[A-Z0-9]{3,}USD|.*\d!$|T?[A-Z0-9]+F0:"  # Kraken, TradingView and Bitfinex.
)


@dataclass(frozen=True)
class Pair:
    """A base asset and, if it is named, the currency of its prices."""

    base: str
    quote: str | None = None


def pairs(text: str) -> frozenset[Pair]:
    """Every pair that a text can mean; `ETHBTC` is ether in bitcoin, or an asset of that name.

    >>> sorted(f"{pair.base} {pair.quote}" for pair in pairs("BINANCE:BTCUSDT"))
    ['BTC USDT', 'BTCUSDT None']
    >>> pairs("X:BTC-USD") == pairs("XBT/USD") == {Pair("BTC", "USD")}
    True
    """
    market = text.strip()
    bitfinex = re.fullmatch(r"t([A-Z0-9]{6,}|[A-Z0-9]+:[A-Z0-9]+)", market)
    left, _, right = in_capitals(bitfinex[1] if bitfinex else market).partition(":")
    is_settled = bool(re.search(r"[/_-]", left))  # in BTC/USDT:USDT the colon stands before the settlement's currency.
    named_in = left if not right or is_settled else f"{left}/{right}" if bitfinex else right
    parts = [part for part in re.split(r"[/_\- ]+", named_in) if part]
    kinds = {"SPOT"} | (_CONTRACTS if is_contract(market) else frozenset())  # there is a coin PERP.
    kept = [part for part in parts if part not in kinds] or parts
    named = [part for part, later in zip_longest(kept, kept[1:]) if not is_exchange(part, later)] or parts
    if len(named) == 1:
        return _joined(named[0])
    base, quote = named[:2]
    if base in MONEY and quote not in MONEY:  # as in KRW-BTC.
        base, quote = quote, base
    return frozenset({_pair(base, quote)})


def is_exchange(part: str, later: str | None) -> bool:
    """Whether a part of a market's name is an exchange's; before a currency alone it is a coin of that name.

    >>> is_exchange("GATE", "BTC"), is_exchange("GATE", "USDT")
    (True, False)
    """
    return part.upper() in EXCHANGES and (later or "").upper() not in MONEY


def is_contract(text: str) -> bool:
    """Whether a market's name is that of a perpetual, a future or an option, not of the spot market.

    >>> is_contract("BTC-PERP"), is_contract("BTC/USDT:USDT"), is_contract("BTCUSDT_240329"), is_contract("PERP-USDT")
    (True, True, True, False)
    """
    return bool(_CONTRACT.match(text.strip().upper()))


def same_market(named: str, found: str) -> bool:
    """Whether a file of this name may hold this market.

    >>> same_market("ETH", "ETHFIUSDT"), same_market("ETH", "ETHBTC"), same_market("BTC", "tBTCUSD")
    (False, False, True)
    """
    if is_contract(found) and not is_contract(named):
        return False
    return any(_agree(ours, theirs) for ours in pairs(named) for theirs in pairs(found))


def _agree(ours: Pair, theirs: Pair) -> bool:
    if ours.base != theirs.base:
        return False
    if ours.quote is None:
        return theirs.quote is None or theirs.quote in MONEY
    return theirs.quote in {None, ours.quote}


def _joined(text: str) -> frozenset[Pair]:
    kraken = re.fullmatch(r"X([A-Z]{3})[XZ]([A-Z]{3})", text)
    split = [(text.removesuffix(quote), quote) for quote in _QUOTES if text.endswith(quote) and text != quote]
    both = [*split, *([(kraken[1], kraken[2])] if kraken else [])]
    return frozenset({_pair(text, None), *(_pair(base, quote) for base, quote in both)})


def _pair(base: str, quote: str | None) -> Pair:
    quote = "USDT" if quote == "UST" else quote
    return Pair(_ALIASES.get(base, base), _ALIASES.get(quote, quote) if quote else None)
