"""A ccxt client whose answers are bounded, checked to be JSON, and whose errors say what may pass."""

from collections.abc import Callable, Mapping
from typing import Any

import ccxt
import requests

from crypto_features.errors import CryptoFeaturesError, PermanentError, TransientError
from crypto_features.sources.bounded import MovedError, bounded
from crypto_features.sources.pace import BusyError, Pace, retry_after
from crypto_features.sources.web import BLOCKED, BUSY, SERVER_FAULT, longest_answer

_TIMEOUT = 30_000
_ANSWER_BYTES = 64 << 20
"""The largest answer of an exchange is its list of markets: 20 MB at Binance."""

_LONGEST_ANSWER = 60.0
"""Seconds that an answer may take, if the patience is long."""

_NOT_HERE = (404, 405, 407, 410)
"""Statuses that say the same tomorrow: nothing is there, or a proxy wants a password."""

_BY_STATUS = (ccxt.ExchangeNotAvailable, ccxt.AuthenticationError)
"""What ccxt makes of these statuses alone."""

_ELSEWHERE = (
    "set CRYPTO_FEATURES_EXCHANGE_URL to its address or a proxy's, choose another CRYPTO_FEATURES_EXCHANGE, or take "
    "CRYPTO_FEATURES_SOURCE=archive"
)


class RefusedError(PermanentError):
    """The exchange will not answer this question, though it may answer another."""


def new_client(
    exchange: str, credentials: Mapping[str, str], url: str | None, pace: Pace, patience: float, *, kind: str = "spot"
) -> Any:
    """A client of an exchange for one thread.

    Args:
        exchange: Name of the exchange in ccxt.
        credentials: What ccxt takes as `apiKey` and `secret`.
        url: Address in place of the exchange's own.
        pace: The rate limit.
        patience: For how many seconds a question is asked again; an answer may take a part of it, up to a minute.
        kind: Which markets are listed, where an exchange lists each kind apart: `spot`, or `linear` for futures.
    """
    client = getattr(ccxt, exchange)({"enableRateLimit": True, "timeout": _TIMEOUT, **credentials})
    client.has["fetchCurrencies"] = False  # it would need a key.
    client.options["fetchMargins"] = False  # so would this.
    types = client.options.get("fetchMarkets")
    if isinstance(types, dict) and kind in types.get("types", ()):
        client.options["fetchMarkets"] = types | {"types": [kind]}
    client.throttle = lambda cost=None: pace.wait(client.rateLimit / 1000 * (1 if cost is None else cost))
    bounded(client.session, _ANSWER_BYTES, min(longest_answer(patience), _LONGEST_ANSWER), stays=True)
    client.fetch = _only_json(client, client.fetch)
    client.on_rest_response = _noting_the_status(client, client.on_rest_response)
    client.stamps = []
    client.parse_ohlcv = _noting_the_stamps(client, client.parse_ohlcv)
    if url:
        client.urls["api"] = _moved(client.urls["api"], url)
    return client


def fault(client: Any, error: Exception, message: str) -> CryptoFeaturesError:
    """What an error of ccxt means for a retry.

    What passes: an HTTP status of a server's fault or of a busy server, whatever else the answer says; all that ccxt
    calls a failed operation; and an error to which ccxt gives no closer meaning, as it does for "system error" of
    Bybit (10016) and KuCoin (230005). What does not: a status that says that the exchange is not to be had here; a
    way to another host; and an error that ccxt knows to be the question's, such as a bad symbol, a missing permission,
    or a span of time that the exchange does not keep.
    """
    status = client.status or 0
    if isinstance(error.__cause__, MovedError | requests.TooManyRedirects):
        return PermanentError(f"{message} ({error.__cause__}). If it moved, {_ELSEWHERE}.")
    if status == BLOCKED or (status in _NOT_HERE and isinstance(error, _BY_STATUS)):
        why = "It may not answer from this place" if status == BLOCKED else "No exchange is at this address"
        return PermanentError(f"{message}. {why}: {_ELSEWHERE}.")
    if status >= SERVER_FAULT or status in BUSY or isinstance(error, ccxt.OperationFailed):
        return BusyError(message, retry_after(client.last_response_headers or {}))
    if isinstance(error, ccxt.BadRequest) and not isinstance(error, ccxt.BadSymbol):
        return RefusedError(message)
    # JSON of another form than the exchange's, on which ccxt stumbles, passes too: a proxy's or a maintenance answer.
    known = isinstance(error, ccxt.BaseError) and type(error) is not ccxt.ExchangeError
    return PermanentError(message) if known else TransientError(message)


def holds_a_list(answer: Any) -> bool:
    """Whether there is a list anywhere in an answer, be it empty."""
    return isinstance(answer, list) or (isinstance(answer, dict) and any(map(holds_a_list, answer.values())))


def _only_json(client: Any, fetch: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*args: Any, **kwargs: Any) -> Any:
        client.status, client.last_response_headers, client.stamps = None, {}, []
        answer = fetch(*args, **kwargs)
        if isinstance(answer, str | bytes):
            raise ccxt.BadResponse(f"an answer that is not JSON, of {len(answer)} characters")
        client.answer = answer
        return answer

    return checked


def _noting_the_stamps(client: Any, parse: Callable[..., Any]) -> Callable[..., Any]:
    """The stamps as ccxt reads them, before it leaves out those that are older than it asked for."""

    def noted(*args: Any, **kwargs: Any) -> Any:
        row = parse(*args, **kwargs)
        client.stamps.append(row[0])
        return row

    return noted


def _noting_the_status(client: Any, respond: Callable[..., Any]) -> Callable[..., Any]:
    def noted(code: int, *args: Any) -> Any:
        client.status = code
        return respond(code, *args)

    return noted


def _moved(urls: Any, base: str) -> Any:
    if isinstance(urls, dict):
        return {name: _moved(url, base) for name, url in urls.items()}
    path = str(urls).partition("://")[2].partition("/")[2]
    return f"{base.rstrip('/')}/{path}".rstrip("/")
