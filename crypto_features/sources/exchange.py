"""The ccxt source: the candles of any exchange that ccxt speaks to."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar

import ccxt
import polars as pl
import requests
from pydantic import SecretStr

from crypto_features.durations import timeframe
from crypto_features.errors import CryptoFeaturesError, PermanentError, SettingsError, UnknownNameError
from crypto_features.lake.contract import in_schema
from crypto_features.lake.spans import number, opening
from crypto_features.sources.bounded import TooLongError
from crypto_features.sources.ccxt_client import RefusedError, fault, holds_a_list, new_client
from crypto_features.sources.listed import ListedSource
from crypto_features.sources.pace import Pace
from crypto_features.sources.pages import Ask, Pages, Row
from crypto_features.sources.source import PartlyFetchedError
from crypto_features.sources.standing import Standing
from crypto_features.sources.vendor.stamps import FIRST, LAST
from crypto_features.sources.web import credentials
from crypto_features.tables.candle_rows import CANDLES
from crypto_features.tables.months import month_of, month_span

MILLISECOND = timedelta(milliseconds=1)
_PAGE = 500
_SLACK = 2
"""By how many candles the end of a limited history moves while it is read."""

_STRAYS = 2
"""So many candles off the grid may be single bad ones, of which the contract speaks."""

_UNITS = {"seconds": 1, "microseconds": 10**6, "nanoseconds": 10**9}
_TRADED = int(FIRST.timestamp()), int(LAST.timestamp())

_AWAY_SECONDS = 30.0
"""After an exchange could not be reached at all, the symbols that follow fail at once for so long."""

T = TypeVar("T")
_MALFORMED = (TypeError, KeyError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError)


class ExchangeSource(ListedSource):
    """Candles from an exchange's public interface, page by page (see `Pages`).

    A page is a bad answer, and asked for again, if it lacks the candle that it was to begin with, holds a stamp from
    the future, or is of candles of another length. Only candles that are over by the exchange's own clock count. If a
    page fails in the end, those before it are kept. An exchange that keeps a limited history gives what it has, and
    `shortfalls` names the rest.

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
    kind = CANDLES
    lists = "spot"
    """Which markets are listed, where an exchange lists each kind apart."""
    trades = "market"
    """What a market is called."""
    unknown = (
        "If it was renamed or delisted, say until when it was valid by "
        "CRYPTO_FEATURES_MARKETS={symbol}={market}@..<date>; its history is kept."
    )
    """What to do about a market that the exchange does not have."""
    gives = CANDLES.row
    """What a row is called where a limited history has none."""
    elsewhere = (
        "CRYPTO_FEATURES_SOURCE=archive (Binance's history) or files, or begin later with CRYPTO_FEATURES_START={month}"
    )
    """Where to take what is older, or which month to begin with."""

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
        self.venue = self.venue_at(exchange)
        self._exchange, self._pace = exchange, pace or Pace()
        self._patience, self._url = patience.total_seconds(), url
        given = {"apiKey": key, "secret": secret}
        self._credentials = {name: value.get_secret_value() for name, value in given.items() if value is not None}
        self._secrets = [text for text in (*credentials(url or ""), *self._credentials.values()) if text]
        self._thread, self._lock = threading.local(), threading.Lock()
        self._markets: Any = None
        self._clock_offset = 0.0
        self._away: tuple[float, CryptoFeaturesError] | None = None
        self._beyond: dict[str, tuple[datetime, datetime]] = {}
        """By symbol, the span `[from, to)` that was asked for and is older than the history that the exchange keeps."""
        self._timeframe = self._find_timeframe()

    @property
    def name(self) -> str:
        return f"{self._exchange} against {self.quote} (ccxt {ccxt.__version__})"

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

    @property
    def markets(self) -> Mapping[str, Any]:
        """The exchange's markets by name, as ccxt loads them.

        Raises:
            TransientError: if the exchange does not answer.
        """
        client = self._client(self._symbols[0])
        return {**client.markets}

    def shortfalls(self, symbol: str) -> tuple[str, ...]:
        if symbol not in self._beyond:
            return ()
        start, reach = self._beyond[symbol]
        first, after = month_span(month_of(reach))
        whole = month_of(first if first == reach else after)
        told = (
            f"{self._exchange} keeps a limited history: it gives no {self.gives} of {symbol} before "
            f"{reach:%Y-%m-%d %H:%M}, and those from {start:%Y-%m-%d %H:%M} on are missing. Take them from "
            f"{self.elsewhere.format(month=whole)}."
        )
        return (told,)

    def fetch(self, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
        parts = [self._frame(symbol, [])]
        for listing, first, last in self.listed(symbol, start, end):
            try:
                client = self._client(symbol)
                if listing.market not in client.markets:
                    called, hint = f"{self.trades} of {self._exchange} for {symbol}", self.unknown
                    hint = hint.format(symbol=symbol, market=listing.market)
                    raise UnknownNameError(called, listing.market, client.markets, hint)
                parts.append(listing.rescaled(self._history(symbol, listing.market, first, last)))
            except CryptoFeaturesError as error:
                partly = PartlyFetchedError(error, parts[0], [(first, end)])
                partly = error if isinstance(error, PartlyFetchedError) else partly
                came = pl.concat([*parts, listing.rescaled(partly.candles)])
                if came.is_empty():
                    raise partly.cause from None
                raise PartlyFetchedError(partly.cause, came, [(partly.lost[0][0], end)]) from None
        return pl.concat(parts)

    def _history(self, symbol: str, market: str, start: datetime, end: datetime) -> pl.DataFrame:
        """The rows of `[start, end)`; as a `PartlyFetchedError`, those that came before an error."""
        client = self._client(symbol)
        limit = client.feature_value(market, "fetchOHLCV", "limit") or _PAGE
        step = self._interval // MILLISECOND

        def ask(since: int, size: int, overlap: int) -> list[Row]:
            page = self._page(
                symbol,
                lambda: client.fetch_ohlcv(market, self._timeframe, since, size),
                since if overlap else None,
            )
            times, now = [row[0] for row in page], self._now_ms()
            older = since < now - (limit + _SLACK) * step
            if older and len(page) >= limit - 1 and min(times) > since and max(times) >= now - _SLACK * step:
                self._miss(symbol, since, min(times))  # its newest candles, in place of those that were asked for.
            return page

        closed = client.markets[market].get("active") is False
        pages = Pages(ask, step, limit, closed=closed, name=f"{self._exchange}, {symbol}")
        first, stop = number(start, MILLISECOND), min(number(end, MILLISECOND), self._now_ms())
        try:
            try:
                pages.read(first, stop)
            except RefusedError as error:
                reach = self._earliest(ask, first, step, error)
                self._miss(symbol, first, reach)
                pages.read(reach, stop)
        except CryptoFeaturesError as error:
            lost = opening(max(pages.cursor, first), MILLISECOND)
            raise PartlyFetchedError(error, self._frame(symbol, pages.rows()), [(lost, end)]) from None
        return self._frame(symbol, pages.rows())

    def _frame(self, symbol: str, rows: Sequence[Row]) -> pl.DataFrame:
        names = ["open_time", *(c.name for c in self.kind.columns if c.default is None and not c.further)]
        schema = {name: pl.Int64 if name == "open_time" else pl.Float64 for name in names}
        time = pl.from_epoch("open_time", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        frame = pl.DataFrame(rows, schema, orient="row").select(pl.lit(symbol).alias("symbol"), time, *names[1:])
        return in_schema(frame, self.kind)

    def _earliest(self, ask: Ask, first: int, step: int, error: RefusedError) -> int:
        """The oldest time from which on an exchange gives candles, if it refuses older ones as a wrong question."""
        refused, given = first, (self._now_ms() // step - 1) * step
        if given <= refused:
            raise error
        ask(given, 2, 0)
        while given - refused > step:
            middle = refused + (given - refused) // (2 * step) * step
            try:
                ask(middle, 2, 0)
                given = middle
            except RefusedError:
                refused = middle
        return given + _SLACK * step  # the history goes on ageing while it is read.

    def _miss(self, symbol: str, since: int, reach: int) -> None:
        start, end = (opening(time, MILLISECOND) for time in (since, reach))
        before = self._beyond.get(symbol, (start, end))
        self._beyond[symbol] = min(start, before[0]), max(end, before[1])

    def _page(self, symbol: str, question: Callable[[], Sequence[Sequence[Any]]], first: int | None) -> list[Row]:
        """The candles of an answer, asked again until it is a page that holds its first candle, if that is known."""
        client = self._client(symbol)

        def page() -> list[Row]:
            rows: list[Row] = [(int(time), *map(_value, values)) for time, *values in question()]
            if unit := _unit_of(client.stamps):
                raise PermanentError(
                    f"{self._exchange}, {symbol}: it stamps its candles in {unit}, such as {client.stamps[0]}, where "
                    f"ccxt {ccxt.__version__} passes milliseconds on. Install a version of ccxt that knows its present "
                    "interface, take away a CRYPTO_FEATURES_EXCHANGE_URL that rewrites answers, or choose another "
                    "CRYPTO_FEATURES_EXCHANGE."
                )
            if first is not None and all(row[0] != first for row in rows):
                raise ccxt.BadResponse("a page without the candle that it was asked to begin with")
            if not rows and not holds_a_list(client.answer):
                raise ccxt.BadResponse("an answer that holds no list of candles")
            latest = self._now_ms() + self._interval // MILLISECOND
            if future := [time for time, *_ in rows if time > latest]:
                raise ccxt.BadResponse(f"a candle that opens in the future, stamped {future[0]}")
            strays = [time for time, *_ in rows if time % (self._interval // MILLISECOND)]
            if len(strays) > max(len(rows) // 2, _STRAYS):
                raise ccxt.BadResponse(
                    f"{len(strays)} of {len(rows)} candles that do not open at a multiple of the interval, "
                    f"the first stamped {strays[0]}: they are of another length"
                )
            return rows

        return self._ask(symbol, client, page)

    def _client(self, symbol: str) -> Any:
        """This thread's ccxt client; all share the markets, the rate limit and the exchange's clock."""
        client = getattr(self._thread, "client", None)
        if client is None:
            client = new_client(
                self._exchange, self._credentials, self._url, self._pace, self._patience, kind=self.lists
            )
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

    def _offset(self, client: Any) -> float:
        """Seconds to add to this process' monotonic clock for the exchange's time."""
        if not client.has.get("fetchTime"):
            return self._now().timestamp() - monotonic()
        return float(client.fetch_time()) / 1000 - monotonic()

    def _exchange_now(self) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=self._clock_offset + monotonic())

    def _now_ms(self) -> int:
        return number(self._exchange_now(), MILLISECOND)

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
            except (ccxt.BaseError, *_MALFORMED) as error:
                raise fault(client, error, self._told(symbol, error)) from None

        return self._pace.persist(once, self._patience)

    def _told(self, symbol: str, error: Exception) -> str:
        text = f"{self._exchange}, {symbol}: {type(error).__name__}: {error}"
        if isinstance(error.__cause__, TooLongError | requests.Timeout):
            text += f" ({error.__cause__})"
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text.replace("***@", "")


def _unit_of(times: Sequence[Any]) -> str | None:
    """The unit in which every one of these is a time at which coins were traded, if it is not milliseconds."""
    for unit, in_a_second in _UNITS.items():
        start, end = (second * in_a_second for second in _TRADED)
        if times and all(isinstance(time, int | float) and start <= time < end for time in times):
            return unit
    return None


def _value(given: Any) -> float | None:
    """A price or volume; every NaN is the same object, so that two equal rows are equal."""
    number = None if given is None else float(given)
    return math.nan if number is not None and math.isnan(number) else number
