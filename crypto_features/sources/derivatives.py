"""Funding and open interest of perpetual futures, from an exchange that ccxt speaks to."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import ccxt
import polars as pl

from crypto_features.errors import CryptoFeaturesError, SettingsError, UnknownNameError
from crypto_features.sources.ccxt_client import RefusedError
from crypto_features.sources.exchange import ExchangeSource
from crypto_features.sources.pages import Pages, Row
from crypto_features.sources.source import PartlyFetchedError
from crypto_features.tables.derivative_rows import DERIVATIVES, FIVE_MINUTES, FUNDING
from crypto_features.tables.raw_rows import RawRows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
    kind: RawRows
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

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        parts = [self.kind.schema.to_frame()]
        for listing, first, last in self.listed(symbol, start, end):
            client = self._client(symbol)
            if listing.market not in client.markets:
                raise UnknownNameError(
                    f"perpetual future of {self._exchange} for {symbol}",
                    listing.market,
                    client.markets,
                    f"Say its name by CRYPTO_FEATURES_DERIVATIVES_MARKETS={symbol}=<market>.",
                )
            rows: list[Row] = []
            try:
                self._read(symbol, listing.market, first, min(last, self._exchange_now()), rows)
            except CryptoFeaturesError as error:
                parts.append(listing.rescaled(self._frame(symbol, rows)))
                came = pl.concat(parts)
                if came.is_empty():
                    raise
                newest = came.select(pl.col("open_time").max() + timedelta(milliseconds=1)).item()
                since = max(first, newest) if isinstance(newest, datetime) else first
                raise PartlyFetchedError(error, came, [(since, end)]) from None
            parts.append(listing.rescaled(self._frame(symbol, rows)))
        return pl.concat(parts)

    def shortfalls(self, symbol: str) -> tuple[str, ...]:
        if symbol not in self._beyond:
            return ()
        start, reach = self._beyond[symbol]
        told = (
            f"{self._exchange} keeps a limited history: it gives no {self.kind.name} of {symbol} before "
            f"{reach:%Y-%m-%d %H:%M}, and those from {start:%Y-%m-%d %H:%M} on are missing. Take them from "
            "CRYPTO_FEATURES_DERIVATIVES_SOURCE=archive (Binance's history)."
        )
        return (told,)

    def _find_timeframe(self) -> str:
        return ""

    def _frame(self, symbol: str, rows: Sequence[Row]) -> pl.DataFrame:
        names = self.kind.schema.names()[1:]
        schema = {name: pl.Int64 if name == "open_time" else pl.Float64 for name in names}
        frame = pl.DataFrame(rows, schema, orient="row")
        time = pl.from_epoch("open_time", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        return frame.with_columns(time, symbol=pl.lit(symbol)).select(self.kind.schema.names())

    def _read(self, symbol: str, market: str, start: datetime, end: datetime, rows: list[Row]) -> None:
        """Append the rows of `[start, end)`, as far as they come before an error."""
        raise NotImplementedError


class FundingSource(FuturesSource):
    """Settlements of funding; ccxt does not tell their interval."""

    kind = FUNDING
    asks = ("fetchFundingRateHistory",)

    def _read(self, symbol: str, market: str, start: datetime, end: datetime, rows: list[Row]) -> None:
        since, stop = _milliseconds(start), _milliseconds(end)
        while since < stop:
            page = self._page_of(symbol, market, since)
            fresh = [row for row in page if since <= row["timestamp"] < stop]
            rows += [(int(row["timestamp"]), _number(row["fundingRate"])) for row in fresh]
            if not fresh:
                return
            since = int(fresh[-1]["timestamp"]) + 1

    def _page_of(self, symbol: str, market: str, since: int) -> list[dict[str, Any]]:
        client = self._client(symbol)
        page = self._ask(symbol, client, lambda: client.fetch_funding_rate_history(market, since, _PAGE))
        return sorted(page, key=lambda row: int(row["timestamp"]))


class OpenInterestSource(FuturesSource):
    """Open interest of five minutes and the long-short ratio of all accounts, where the exchange has it.

    What only the archive has, such as the ratios of top traders, is null.
    """

    kind = DERIVATIVES
    asks = ("fetchOpenInterestHistory", "fetchLongShortRatioHistory")

    def _read(self, symbol: str, market: str, start: datetime, end: datetime, rows: list[Row]) -> None:
        def interest(client: Any, since: int, size: int) -> list[Row]:
            answer = client.fetch_open_interest_history(market, "5m", since, size)
            return [
                (int(row["timestamp"]), _number(row["openInterestAmount"]), _number(row["openInterestValue"]))
                for row in answer
            ]

        def ratio(client: Any, since: int, size: int) -> list[Row]:
            answer = client.fetch_long_short_ratio_history(market, "5m", since, size)
            return [(int(row["timestamp"]), _number(row["longShortRatio"])) for row in answer]

        found = self._series(symbol, start, end, interest)
        has_ratios = bool(found) and "fetchLongShortRatioHistory" in self._can
        ratios = {time: value for time, *(value,) in self._series(symbol, start, end, ratio)} if has_ratios else {}
        rows += [(row[0], *row[1:], None, None, ratios.get(row[0]), None) for row in found]

    def _series(
        self, symbol: str, start: datetime, end: datetime, question: Callable[[Any, int, int], list[Row]]
    ) -> list[Row]:
        """What the exchange has of one question, page by page; of a limited history, what it still keeps."""

        def ask(since: int, size: int, _overlap: int) -> list[Row]:
            client = self._client(symbol)
            return self._ask(symbol, client, lambda: question(client, since, size))

        step = FIVE_MINUTES // timedelta(milliseconds=1)
        pages = Pages(ask, step, _PAGE, closed=False, name=f"{self._exchange}, {symbol}")
        first, stop = _milliseconds(start) // step * step, _milliseconds(end)
        try:
            pages.read(first, stop)
        except RefusedError:
            reach = _milliseconds(self._exchange_now() - _KEPT) // step * step
            if first >= reach:
                raise
            self._miss(symbol, first, reach)
            pages.read(reach, stop)
        return pages.rows()


def _number(given: Any) -> float | None:
    return None if given is None else float(given)


def _milliseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)
