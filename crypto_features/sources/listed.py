"""A source of the symbols that the settings name, each traded on one market or on several in turn."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from crypto_features import clock
from crypto_features.errors import UnknownNameError
from crypto_features.sources.listings import Listing, overlapping
from crypto_features.sources.source import ALWAYS, Source


class ListedSource(Source):
    """What the sources `ccxt` and `archive` have in common.

    Args:
        quote: Currency in which prices are, such as `USDT`.
        symbols: The symbols to offer.
        start: Open time of the first candle to offer.
        interval: Length of a candle.
        listings: The markets of symbols that were renamed; the others are traded as `<symbol>/<quote>`.
        parallel: How many symbols are fetched at once, within one rate limit.
        now: The clock.
    """

    def __init__(
        self,
        *,
        quote: str,
        symbols: Sequence[str],
        start: datetime,
        interval: timedelta,
        listings: Mapping[str, tuple[Listing, ...]] | None = None,
        parallel: int = 4,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._symbols, self._start, self._interval, self._now = tuple(sorted(symbols)), start, interval, now
        self._listings = {s: (listings or {}).get(s, (Listing(f"{s}/{quote}"),)) for s in self._symbols}
        self.parallel, self.quote = parallel, quote

    def venue_at(self, exchange: str) -> str:
        """The exchange, `spot` or `contract` (as ccxt writes `BTC/USDT:USDT`), and the quote."""
        markets = (listing.market for chain in self._listings.values() for listing in chain)
        kinds = {"contract" if ":" in market else "spot" for market in markets}
        return f"{exchange} {'+'.join(sorted(kinds))} {self.quote}"

    def symbols(self) -> tuple[str, ...]:
        return self._symbols

    def start(self, symbols: Sequence[str]) -> datetime:
        return self._start

    def offers(self, symbol: str) -> list[tuple[datetime, datetime]]:
        return [(start, end) for _, start, end in self.listed(symbol, *ALWAYS)]

    def listed(self, symbol: str, start: datetime, end: datetime) -> list[tuple[Listing, datetime, datetime]]:
        """The markets of a symbol within `[start, end)`, each with the part of it in which it is valid.

        Raises:
            UnknownNameError: if the symbol is not on offer.
        """
        if symbol not in self._listings:
            raise UnknownNameError("symbol", symbol, self._symbols, "Add it to CRYPTO_FEATURES_SYMBOLS.")
        return overlapping(self._listings[symbol], max(start, self._start), end)
