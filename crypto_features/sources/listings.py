"""Which market a symbol was traded on, and when: a rename or a redenomination keeps one history."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import polars as pl

from crypto_features.clock import as_utc
from crypto_features.errors import SettingsError
from crypto_features.lake.path_parts import check_symbol, in_capitals

_PRICES = ("open", "high", "low", "close")
_AMOUNTS = ("volume", "taker_buy_volume", "open_interest")
"""Columns that count the base asset."""
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_LISTING = re.compile(r"([^@*\s]+/[^@*\s]+)(?:\*([\d.]+))?(?:@(.*?)\.\.(.*))?")
_FORM = (
    "expected <SYMBOL>=<BASE/QUOTE>[*<factor>][@<from>..<to>][+...], "
    "such as POL=MATIC/USDT@..2024-09-10+POL/USDT@2024-09-13.."
)


@dataclass(frozen=True)
class Listing:
    """One market of a symbol, valid for candles that open in `[start, end)`.

    Args:
        market: Name of the market, such as `MATIC/USDT`.
        start: First moment at which it stands for the symbol.
        end: First moment at which it no longer does.
        factor: How many units of the symbol one unit of the market is: prices are divided by it, volumes multiplied.
    """

    market: str
    start: datetime = _FIRST
    end: datetime = _LAST
    factor: float = 1.0

    def rescaled(self, candles: pl.DataFrame) -> pl.DataFrame:
        """Candles or other rows of the market in the symbol's own units."""
        if self.factor == 1.0:
            return candles
        prices = [name for name in _PRICES if name in candles.columns]
        amounts = [name for name in _AMOUNTS if name in candles.columns]
        return candles.with_columns(pl.col(prices) / self.factor, pl.col(amounts) * self.factor)


def parse_listings(text: str) -> dict[str, tuple[Listing, ...]]:
    """The markets of the symbols that a setting names.

    >>> parse_listings("POL=MATIC/USDT@..2024-09-10+POL/USDT@2024-09-13..")["POL"][1].market
    'POL/USDT'

    Raises:
        SettingsError: if it is written in another form, or two markets of a symbol are valid at once.
    """
    listings: dict[str, tuple[Listing, ...]] = {}
    for entry in filter(None, (entry.strip() for entry in text.split(";"))):
        symbol, _, markets = entry.partition("=")
        parsed = tuple(_listing(market.strip(), entry) for market in markets.split("+"))
        chain = tuple(sorted(parsed, key=lambda listing: listing.start))
        for before, after in pairwise(chain):
            if before.end > after.start:
                raise SettingsError(
                    f"CRYPTO_FEATURES_MARKETS: {before.market} and {after.market} are valid at once in {entry!r}."
                )
        listings[check_symbol(in_capitals(symbol.strip()))] = chain
    return listings


def overlapping(
    listings: Sequence[Listing], start: datetime, end: datetime
) -> list[tuple[Listing, datetime, datetime]]:
    """The listings that are valid within `[start, end)`, each with the part of it in which it is."""
    parts = [(listing, max(start, listing.start), min(end, listing.end)) for listing in listings]
    return [part for part in parts if part[1] < part[2]]


def _listing(text: str, entry: str) -> Listing:
    match = _LISTING.fullmatch(text)
    if not match:
        raise SettingsError(f"CRYPTO_FEATURES_MARKETS: {entry!r} cannot be read; {_FORM}.")
    market, factor, start, end = match.groups()
    try:
        return Listing(market, _time(start, _FIRST), _time(end, _LAST), float(factor or 1))
    except ValueError:
        raise SettingsError(f"CRYPTO_FEATURES_MARKETS: {entry!r} cannot be read; {_FORM}.") from None


def _time(text: str | None, default: datetime) -> datetime:
    return as_utc(datetime.fromisoformat(text)) if text else default
