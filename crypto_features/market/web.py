"""Reading files from a web server that may be slow, busy or broken for a while."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import requests

from crypto_features.errors import PermanentError, TransientError
from crypto_features.market.pace import BusyError, Pace, retry_after

_TIMEOUT = 30.0
_CHUNK = 1 << 20
_BUSY = (408, 418, 425, 429)
_SERVER_FAULT = 500
_CLIENT_FAULT = 400
_MISSING = 404

T = TypeVar("T")


class Web:
    """One server: a session for each thread, one pace for all, and patience with faults that pass.

    Args:
        pace: The rate limit.
        patience: For how long a request that fails is made again.
    """

    def __init__(self, pace: Pace, patience: timedelta) -> None:
        self._pace, self._patience, self._thread = pace, patience.total_seconds(), threading.local()

    def persist(self, ask: Callable[[], T]) -> T:
        """The answer to a question, asked again while it fails with a fault that passes."""
        return self._pace.persist(ask, self._patience)

    def read(self, url: str, limit: int) -> bytes | None:
        """The file at a URL, or `None` if there is none; asked once.

        Raises:
            TransientError: if the server is away, busy, broken, or cuts the file short.
            PermanentError: if it refuses, or the file is longer than `limit` bytes.
        """
        self._pace.wait(0.0)
        shown = without_password(url)
        try:
            with self._session().get(url, timeout=_TIMEOUT, stream=True) as answer:
                self._check(answer, shown)
                return None if answer.status_code == _MISSING else self._body(answer, shown, limit)
        except requests.RequestException as error:
            raise TransientError(f"{shown}: {type(error).__name__}") from None

    def _check(self, answer: requests.Response, shown: str) -> None:
        status = answer.status_code
        if status in _BUSY or status >= _SERVER_FAULT:
            raise BusyError(f"{shown}: status {status}", retry_after(answer.headers))
        if status >= _CLIENT_FAULT and status != _MISSING:
            raise PermanentError(f"{shown}: status {status}")

    def _body(self, answer: requests.Response, shown: str, limit: int) -> bytes:
        body = bytearray()
        for chunk in answer.iter_content(_CHUNK):
            body += chunk
            if len(body) > limit:
                raise PermanentError(f"{shown} is longer than {limit:,} bytes.")
        return bytes(body)

    def _session(self) -> requests.Session:
        if not hasattr(self._thread, "session"):
            self._thread.session = requests.Session()
        session: requests.Session = self._thread.session
        return session


def credentials(url: str) -> tuple[str, ...]:
    """What of a URL must never be shown, the longest first.

    >>> credentials("https://user:se%20cret@mirror/data")
    ('user:se%20cret', 'se%20cret', 'se cret')
    """
    parts = urlsplit(url)
    password = parts.password or ""
    return (parts.netloc.rpartition("@")[0], password, unquote(password))


def without_password(url: str) -> str:
    """The URL as it may be shown.

    >>> without_password("https://user:secret@mirror/data")
    'https://mirror/data'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
