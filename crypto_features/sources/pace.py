"""One rate limit for all threads, and patience with faults that pass."""

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, TypeVar

import tenacity
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from crypto_features.errors import TransientError

_GROWING = tenacity.wait_exponential(multiplier=0.5, max=60.0)
"""Seconds before a failed request is made again: half a second at first, then doubled, up to a minute."""

_NO_END = 10**9

T = TypeVar("T")


class BusyError(TransientError):
    """The server asks to wait."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


def retry_after(headers: Mapping[str, str]) -> float:
    """For how many seconds a server asks to wait, as a number or as an HTTP date; 0 if it does not say.

    >>> retry_after({"Retry-After": "120"}), retry_after({"Retry-After": "soon"}), retry_after({})
    (120.0, 0.0, 0.0)
    """
    try:
        return float(Retry(retry_after_max=_NO_END).parse_retry_after(str(headers.get("Retry-After", ""))))
    except (InvalidHeader, ValueError, OverflowError):
        return 0.0  # not a number, and not a date.


class Pace:
    """Spaces the requests of all threads, and holds them back when the server asks for it.

    ccxt's own limiter spaces those of one client, which serves one thread, and by a clock that may be set back; the
    limiters that count requests in a span of time let them out at once, and none holds back for `Retry-After`.
    """

    def __init__(
        self, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep, self._clock, self._lock, self._free = sleep, clock, Lock(), 0.0

    def wait(self, spacing: float = 0.0) -> None:
        """Return when this request may start; the next one may start `spacing` seconds later."""
        with self._lock:
            now = self._clock()
            start = max(now, self._free)
            self._free = start + spacing
        if start > now:
            self._sleep(start - now)

    def hold(self, seconds: float) -> None:
        """Let no request start for so many seconds."""
        with self._lock:
            self._free = max(self._free, self._clock() + seconds)

    def persist(self, ask: Callable[[], T], patience: float) -> T:
        """The answer to a question, asked again with growing waits while it fails with a fault that passes.

        Raises:
            TransientError: of the last fault's type, if waiting longer would pass `patience` in seconds, in which the
                time that the answers took is counted.
        """
        began = self._clock()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            wait=_pause,
            stop=lambda state: self._clock() - began + state.upcoming_sleep > patience,
            sleep=self.hold,
            reraise=True,
        )
        try:
            return retrying(ask)
        except TransientError as error:
            asked = _asked(error)
            longer = f"; to wait {asked:.0f} s, as it asks, is longer than CRYPTO_FEATURES_PATIENCE allows"
            told = f"{error} (asked again for {self._clock() - began:.0f} s{longer if asked else ''})"
            raise type(error)(told) from None


def _pause(state: Any) -> float:
    return max(_GROWING(state), _asked(state.outcome.exception()))


def _asked(error: BaseException) -> float:
    return error.retry_after if isinstance(error, BusyError) else 0.0
