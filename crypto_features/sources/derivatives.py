"""Funding and open interest of perpetual futures, from an exchange that ccxt speaks to."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import ccxt
import polars as pl

from crypto_features.errors import CryptoFeaturesError, SettingsError
from crypto_features.lake.spans import number, opening
from crypto_features.sources.ccxt_client import RefusedError
from crypto_features.sources.exchange import MILLISECOND, ExchangeSource
from crypto_features.sources.pages import Pages, Row
from crypto_features.sources.source import PartlyFetchedError
from crypto_features.tables.derivative_rows import DERIVATIVES, FIVE_MINUTES, FUNDING

_PAGE = 500
_KEPT = timedelta(days=29)
"""Binance answers questions about the last 30 days of open interest; a day is left for the time that reading takes."""


class FuturesSource(ExchangeSource):
    """What the sources of funding and of open interest have in common.

    Args:
        exchange: Name of the exchange in ccxt.
        listed: As `ExchangeSource`; its markets are perpetual futures, such as `BTC/USDT:USDT`.

    Raises:
        SettingsError: if ccxt cannot ask the exchange for these.
    """

    lists = "linear"
    trades = "perpetual future"
    unknown = "Say its name by CRYPTO_FEATURES_DERIVATIVES_MARKETS={symbol}=<market>."
    elsewhere = "CRYPTO_FEATURES_DERIVATIVES_SOURCE=archive (Binance's history)"
    asks: tuple[str, ...]
    """The questions of ccxt, by their names in `has`; the first one is needed."""

    def __init__(self, exchange: str, **listed: Any) -> None:
        super().__init__(exchange, **listed)
        can = getattr(ccxt, exchange)().has
        if not can.get(self.asks[0]):
            raise SettingsError(
                f"ccxt cannot ask {exchange} for {self.kind.name} ({self.asks[0]}); choose another exchange, such as "
                "ccxt:binance, or CRYPTO_FEATURES_DERIVATIVES_SOURCE=archive."
            )
        self._can = {name for name in self.asks if can.get(name)}

    def _find_timeframe(self) -> str:
        return ""

    def _history(self, symbol: str, market: str, start: datetime, end: datetime) -> pl.DataFrame:
        rows: list[Row] = []
        try:
            self._read(symbol, market, number(start, MILLISECOND), min(number(end, MILLISECOND), self._now_ms()), rows)
        except CryptoFeaturesError as error:
            since = opening(rows[-1][0] + 1, MILLISECOND) if rows else start
            raise PartlyFetchedError(error, self._frame(symbol, rows), [(since, end)]) from None
        return self._frame(symbol, rows)

    def _read(self, symbol: str, market: str, first: int, stop: int, rows: list[Row]) -> None:
        """Append the rows of `[first, stop)`, in milliseconds, as far as they come before an error."""
        raise NotImplementedError


class FundingSource(FuturesSource):
    """Settlements of funding; ccxt does not tell their interval."""

    kind, gives = FUNDING, FUNDING.name
    asks = ("fetchFundingRateHistory",)

    def _read(self, symbol: str, market: str, first: int, stop: int, rows: list[Row]) -> None:
        client = self._client(symbol)
        while first < stop:
            page = self._ask(symbol, client, partial(client.fetch_funding_rate_history, market, first, _PAGE))
            found = [(int(row["timestamp"]), _number(row["fundingRate"])) for row in page]
            fresh = sorted((row for row in found if first <= row[0] < stop), key=lambda row: row[0])
            if not fresh:
                return
            rows += fresh
            first = fresh[-1][0] + 1


class OpenInterestSource(FuturesSource):
    """Open interest of five minutes and the long-short ratio of all accounts, where the exchange has it.

    What only the archive has, such as the ratios of top traders, is null.
    """

    kind, gives = DERIVATIVES, DERIVATIVES.name
    asks = ("fetchOpenInterestHistory", "fetchLongShortRatioHistory")

    def _read(self, symbol: str, market: str, first: int, stop: int, rows: list[Row]) -> None:
        client = self._client(symbol)

        def interest(since: int, size: int) -> list[Row]:
            answer = client.fetch_open_interest_history(market, "5m", since, size)
            return [
                (int(row["timestamp"]), _number(row["openInterestAmount"]), _number(row["openInterestValue"]))
                for row in answer
            ]

        def ratio(since: int, size: int) -> list[Row]:
            answer = client.fetch_long_short_ratio_history(market, "5m", since, size)
            return [(int(row["timestamp"]), _number(row["longShortRatio"])) for row in answer]

        found = self._series(symbol, first, stop, interest)
        has_ratios = bool(found) and "fetchLongShortRatioHistory" in self._can
        ratios = {time: value for time, *(value,) in self._series(symbol, first, stop, ratio)} if has_ratios else {}
        rows += [(row[0], *row[1:], None, None, ratios.get(row[0]), None) for row in found]

    def _series(self, symbol: str, first: int, stop: int, question: Callable[[int, int], list[Row]]) -> list[Row]:
        """What the exchange has of one question, page by page; of a limited history, what it still keeps."""
        client = self._client(symbol)

        def ask(since: int, size: int, _overlap: int) -> list[Row]:
            return self._ask(symbol, client, lambda: question(since, size))

        step = FIVE_MINUTES // MILLISECOND
        pages = Pages(ask, step, _PAGE, closed=False, name=f"{self._exchange}, {symbol}")
        first = first // step * step
        try:
            pages.read(first, stop)
        except RefusedError:
            reach = (self._now_ms() - _KEPT // MILLISECOND) // step * step
            if first >= reach:
                raise
            self._miss(symbol, first, reach)
            pages.read(reach, stop)
        return pages.rows()


def _number(given: Any) -> float | None:
    return None if given is None else float(given)
