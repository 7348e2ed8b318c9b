"""Reading files from a web server that may be slow, busy or broken for a while."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import requests

from crypto_features.errors import PermanentError, TransientError
from crypto_features.sources.bounded import TooLongError, bounded
from crypto_features.sources.pace import BusyError, Pace, retry_after

_TIMEOUT = 30.0
BUSY = (408, 418, 425, 429)
SERVER_FAULT = 500
"""The statuses that ask to wait, and the first of those that say that the server is at fault."""

BLOCKED = 451
"""The status that says that the server may not answer from this place."""

_CLIENT_FAULT = 400
_WHOLE = (200, 203)
_MISSING = 404

T = TypeVar("T")


class BlockedError(PermanentError):
    """The server answers nobody from here, whatever is asked."""


class Web:
    """One server: a session for each thread, one pace for all, and patience with faults that pass.

    Args:
        pace: The rate limit.
        patience: For how long a request that fails is made again; one answer may take a quarter of it.
        limit: How many bytes an answer may have.
    """

    def __init__(self, pace: Pace, patience: timedelta, limit: int) -> None:
        self._pace, self._patience, self._limit = pace, patience.total_seconds(), limit
        self._thread = threading.local()

    def persist(self, ask: Callable[[], T]) -> T:
        """The answer to a question, asked again while it fails with a fault that passes."""
        return self._pace.persist(ask, self._patience)

    def read(self, url: str) -> bytes | None:
        """The file at a URL, or `None` if there is none; asked once.

        It may lie on another host, to which the server sends the question on.

        Raises:
            TransientError: if the server is away, busy, broken, too slow, cuts the file short, or has none to send.
            BlockedError: if it answers nobody from here.
            PermanentError: if it refuses, sends the question round in a circle, or the file is too long.
        """
        self._pace.wait()
        shown = without_password(url)
        try:
            answer = self._session().get(url, timeout=_TIMEOUT)
        except TooLongError:
            raise PermanentError(f"{shown} is longer than {self._limit:,} bytes.") from None
        except requests.TooManyRedirects:
            raise PermanentError(f"{shown}: the server sends the question round in a circle.") from None
        except requests.RequestException as error:
            raise TransientError(f"{shown}: {type(error).__name__}") from None
        status = answer.status_code
        if status in BUSY or status >= SERVER_FAULT:
            raise BusyError(f"{shown}: status {status}", retry_after(answer.headers))
        if status == BLOCKED:
            raise BlockedError(f"{shown}: status {status}: the server may not answer from this place; name a mirror.")
        if status >= _CLIENT_FAULT and status != _MISSING:
            raise PermanentError(f"{shown}: status {status}")
        if status not in (*_WHOLE, _MISSING):
            raise TransientError(f"{shown}: status {status}, which holds no file")
        return None if status == _MISSING else answer.content

    def _session(self) -> requests.Session:
        if not hasattr(self._thread, "session"):
            self._thread.session = bounded(requests.Session(), self._limit, longest_answer(self._patience))
        session: requests.Session = self._thread.session
        return session


def longest_answer(patience: float) -> float:
    """How many seconds one answer may take: a part of the patience, so that a connection that hangs is tried again."""
    return max(patience / 4, 1.0)


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
