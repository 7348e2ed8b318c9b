"""The ccxt source: the candles of any exchange that ccxt speaks to."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

import ccxt
import polars as pl
from pydantic import SecretStr

from crypto_features.errors import CryptoFeaturesError, PermanentError, SettingsError, TransientError, UnknownNameError
from crypto_features.market.listed import ListedSource
from crypto_features.market.pace import BusyError, Pace, retry_after
from crypto_features.market.source import CANDLE_SCHEMA, in_candle_schema
from crypto_features.market.standing import Standing
from crypto_features.market.timeframe import timeframe
from crypto_features.market.web import credentials

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE = 500
_AWAY_SECONDS = 30.0
"""After an exchange could not be reached at all, the symbols that follow fail at once for so long."""

T = TypeVar("T")
_MISUSE = (ccxt.BadRequest, ccxt.AuthenticationError, ccxt.NotSupported, ccxt.ArgumentsRequired)


class ExchangeSource(ListedSource):
    """Candles from an exchange's public interface, page by page.

    Pages begin with the last candle of the page before, and are merged; a page that lacks it is a bad answer. A page
    that brings nothing new is asked for twice, and then taken as a gap as long as a page. Only candles that are over
    by the exchange's own clock count.

    Args:
        exchange: Name of the exchange in ccxt, such as `binance`.
        patience: For how long a request that fails is made again.
        url: Address in place of the exchange's own.
        key: API key; public candles need none.
        secret: API secret; public candles need none.
        pace: The rate limit.
        listed: As `ListedSource`.

    Raises:
        SettingsError: if ccxt does not know the exchange, or the exchange has no candles of this interval.
    """

    resumes = True
    rows_at_once = 50_000

    def __init__(
        self,
        exchange: str,
        *,
        patience: timedelta = timedelta(minutes=5),
        url: str | None = None,
        key: SecretStr | None = None,
        secret: SecretStr | None = None,
        pace: Pace | None = None,
        **listed: Any,
    ) -> None:
        if exchange not in ccxt.exchanges:
            raise UnknownNameError(
                "exchange", exchange, ccxt.exchanges, "Set CRYPTO_FEATURES_EXCHANGE to one of these."
            )
        super().__init__(**listed)
        self._exchange, self._quote, self._pace = exchange, listed["quote"], pace or Pace()
        self._patience, self._url = patience.total_seconds(), url
        keys = [s.get_secret_value() for s in (key, secret) if s is not None]
        self._secrets = [text for text in (*credentials(url or ""), *keys) if text]
        self._credentials = {"apiKey": key, "secret": secret}
        self._thread, self._lock = threading.local(), threading.Lock()
        self._markets: Any = None
        self._clock_offset = 0.0
        self._away: tuple[float, CryptoFeaturesError] | None = None
        self._timeframe = self._find_timeframe()

    @property
    def name(self) -> str:
        return f"{self._exchange} against {self._quote} (ccxt {ccxt.__version__})"

    def ended(self, symbol: str) -> Standing | None:
        if self._markets is None or symbol not in self._listings:
            return None
        market = self._markets.get(self._listings[symbol][-1].market)
        if market is None:
            return Standing.DELISTED
        return Standing.HALTED if market.get("active") is False else None

    def origin(self, symbol: str) -> str:
        markets = "+".join(
            f"{one.market}@{one.start}..{one.end}*{one.factor}" for one in self._listings.get(symbol, ())
        )
        return f"{self._exchange} {markets}"

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        parts = [
            listing.rescaled(self._history(symbol, listing.market, first, last))
            for listing, first, last in self.listed(symbol, start, end)
        ]
        return pl.concat([CANDLE_SCHEMA.to_frame(), *parts])

    def _history(self, symbol: str, market: str, start: datetime, end: datetime) -> pl.DataFrame:
        client = self._client(symbol)
        if market not in client.markets:
            raise UnknownNameError(
                f"market of {self._exchange} for {symbol}",
                market,
                client.markets,
                "If it was renamed or delisted, say until when it was valid by CRYPTO_FEATURES_MARKETS="
                f"{symbol}={market}@..<date>; its history is kept.",
            )
        limit = client.feature_value(market, "fetchOHLCV", "limit") or _PAGE
        closed = client.markets[market].get("active") is False
        rows: dict[int, list[Any]] = {}
        cursor, repeated = _milliseconds(start), False
        step, stop = self._interval // timedelta(milliseconds=1), _milliseconds(min(end, self._exchange_now()))
        while cursor < stop:
            size = min(limit, (stop - cursor) // step + 1)
            page = self._page(symbol, client, market, cursor, size, known=cursor in rows)
            fresh = {row[0]: row for row in page if row[0] >= cursor and row[0] + step <= stop}
            last = max((row[0] for row in page), default=cursor)
            rows |= fresh
            if last > cursor:
                cursor, repeated = last, False
            elif not repeated:
                repeated = True
            elif closed:
                break
            else:
                cursor, repeated = cursor + max(size - 1, 1) * step, False
        return _frame(symbol, [rows[time] for time in sorted(rows)])

    def _page(self, symbol: str, client: Any, market: str, since: int, size: int, *, known: bool) -> list[list[Any]]:
        def question() -> list[list[Any]]:
            rows = client.fetch_ohlcv(market, self._timeframe, since, size)
            page = [[int(row[0]), *map(float, row[1:6])] for row in rows]
            if known and all(row[0] != since for row in page):
                raise ccxt.BadResponse("a page without the candle that it was asked to begin with")
            if not page and not _holds_a_list(client.answer):
                raise ccxt.BadResponse("an answer that holds no list of candles")
            return page

        return self._ask(symbol, client, question)

    def _client(self, symbol: str) -> Any:
        """This thread's ccxt client; all share the markets, the rate limit and the exchange's clock."""
        client = getattr(self._thread, "client", None)
        if client is None:
            client = self._new_client()
            with self._lock:
                if self._markets is None:
                    self._load(symbol, client)
                client.set_markets(self._markets)
            self._thread.client = client
        return client

    def _load(self, symbol: str, client: Any) -> None:
        if self._away is not None and monotonic() - self._away[0] < _AWAY_SECONDS:
            raise self._away[1]
        try:
            self._ask(symbol, client, client.load_markets)
            self._clock_offset = self._ask(symbol, client, lambda: self._offset(client))
        except CryptoFeaturesError as error:
            self._away = monotonic(), error
            raise
        self._markets = client.markets

    def _new_client(self) -> Any:
        credentials = {name: value.get_secret_value() for name, value in self._credentials.items() if value is not None}
        client = getattr(ccxt, self._exchange)({"enableRateLimit": True, "timeout": 30_000, **credentials})
        client.has["fetchCurrencies"] = False  # it would need a key.
        client.options["fetchMargins"] = False  # so would this.
        types = client.options.get("fetchMarkets")
        if isinstance(types, dict) and "spot" in types.get("types", ()):
            client.options["fetchMarkets"] = types | {"types": ["spot"]}
        client.throttle = lambda cost=None: self._pace.wait(client.rateLimit / 1000 * (1 if cost is None else cost))
        client.fetch = _only_json(client, client.fetch)
        if self._url:
            client.urls["api"] = _moved(client.urls["api"], self._url)
        return client

    def _offset(self, client: Any) -> float:
        """Seconds to add to this process' monotonic clock for the exchange's time."""
        if not client.has.get("fetchTime"):
            return (self._now() - _EPOCH).total_seconds() - monotonic()
        return float(client.fetch_time()) / 1000 - monotonic()

    def _exchange_now(self) -> datetime:
        return _EPOCH + timedelta(seconds=self._clock_offset + monotonic())

    def _find_timeframe(self) -> str:
        wanted = timeframe(self._interval)
        offered = getattr(ccxt, self._exchange)().timeframes or {}
        if wanted not in offered:
            raise SettingsError(
                f"{self._exchange} has no candles of CRYPTO_FEATURES_INTERVAL={wanted}; "
                f"it has {', '.join(offered) or 'none'}."
            )
        return wanted

    def _ask(self, symbol: str, client: Any, question: Callable[[], T]) -> T:
        def once() -> T:
            try:
                return question()
            except _MISUSE as error:
                raise PermanentError(self._told(symbol, error)) from None
            except ccxt.OperationFailed as error:
                raise BusyError(self._told(symbol, error), retry_after(client.last_response_headers or {})) from None
            except ccxt.BaseError as error:
                raise PermanentError(self._told(symbol, error)) from None
            except (TypeError, KeyError, ValueError, AttributeError, IndexError) as error:
                # ccxt met JSON of another form than the exchange's: a proxy's or a maintenance answer.
                raise TransientError(self._told(symbol, error)) from None

        return self._pace.persist(once, self._patience)

    def _told(self, symbol: str, error: Exception) -> str:
        text = f"{self._exchange}, {symbol}: {type(error).__name__}: {error}"
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text.replace("***@", "")


def _only_json(client: Any, fetch: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*args: Any, **kwargs: Any) -> Any:
        answer = fetch(*args, **kwargs)
        if isinstance(answer, str | bytes):
            raise ccxt.BadResponse(f"an answer that is no JSON, of {len(answer)} characters")
        client.answer = answer
        return answer

    return checked


def _holds_a_list(answer: Any) -> bool:
    return isinstance(answer, list) or (isinstance(answer, dict) and any(map(_holds_a_list, answer.values())))


def _moved(urls: Any, base: str) -> Any:
    if isinstance(urls, dict):
        return {name: _moved(url, base) for name, url in urls.items()}
    path = str(urls).partition("://")[2].partition("/")[2]
    return f"{base.rstrip('/')}/{path}".rstrip("/")


def _milliseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)


def _frame(symbol: str, rows: Sequence[Sequence[Any]]) -> pl.DataFrame:
    names = ("open_time", "open", "high", "low", "close", "volume")
    frame = pl.DataFrame(
        rows, schema={name: pl.Int64 if name == "open_time" else pl.Float64 for name in names}, orient="row"
    )
    time = pl.from_epoch("open_time", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return in_candle_schema(
        frame.select(symbol=pl.lit(symbol), open_time=time, **{name: pl.col(name) for name in names[1:]})
    )
