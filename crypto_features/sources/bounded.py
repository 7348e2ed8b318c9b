"""Answers from a web server read whole within a number of bytes and of seconds, whatever the server sends."""

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Event, Timer
from typing import Any
from urllib.parse import urljoin, urlsplit
from weakref import WeakSet

import requests
import urllib3
from requests.adapters import HTTPAdapter

_CHUNK = 1 << 16


class TooLongError(requests.RequestException):
    """An answer unpacks to more bytes than allowed."""


class MovedError(requests.RequestException):
    """An answer sends the question on to another host, which may be another venue and would see the request's key."""


class BoundedAdapter(HTTPAdapter):
    """Reads each answer before it hands it over, and lets neither its length nor its slowness pass a bound.

    A time-out of a socket counts from the last byte, so a server that sends one byte a second would be read forever:
    here the connection is cut once the whole answer has taken too long. One thread uses one adapter.

    Args:
        limit: How many bytes an answer may have after its content encoding (gzip, deflate, ...) is undone.
        seconds: How long an answer may take, from the request to its last byte.
        stays: Whether an answer may not send the question on to another host.

    Raises:
        TooLongError: from `send`, if an answer is longer.
        MovedError: from `send`, if it sends the question on and may not.
        requests.RequestException: from `send`, as its base class, also for an answer that takes too long.
    """

    def __init__(self, limit: int, seconds: float, *, stays: bool = False) -> None:
        self._limit, self._seconds, self._stays = limit, seconds, stays
        self._open: WeakSet[socket.socket] = WeakSet()
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        with self._cut_when_late():
            answer = super().send(request, *args, **options | {"stream": True})
            with answer.raw as raw:
                answer.raw = io.BytesIO(self._body(raw))
        if self._stays and answer.is_redirect:
            to = urlsplit(urljoin(request.url or "", answer.headers["location"])).hostname
            if to != urlsplit(request.url or "").hostname:
                raise MovedError(f"status {answer.status_code}, sent on to the host {to}")
        return answer

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **options)
        pool.ConnectionCls = _noting(type(pool).ConnectionCls)
        pool.conn_kw["noted"] = self._open
        return pool

    @contextmanager
    def _cut_when_late(self) -> Iterator[None]:
        late = Event()
        timer = Timer(self._seconds, self._cut, [late])
        timer.daemon = True
        timer.start()
        try:
            yield
        except requests.RequestException:
            if not late.is_set():
                raise
        finally:
            timer.cancel()
        if late.is_set():  # also if what was left over by the cut looks like a whole answer.
            raise requests.Timeout(f"no whole answer within {self._seconds:g} s")

    def _cut(self, late: Event) -> None:
        late.set()
        for one in tuple(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _body(self, raw: urllib3.HTTPResponse) -> bytes:
        body = bytearray()
        chunks = raw.stream(_CHUNK, decode_content=True)
        while True:
            try:
                body += next(chunks)
            except StopIteration:
                return bytes(body)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise requests.ConnectionError(f"the answer ended after {len(body):,} bytes: {error}") from None
            if len(body) > self._limit:
                raise TooLongError(f"the answer is longer than {self._limit:,} bytes")


def bounded(session: requests.Session, limit: int, seconds: float, *, stays: bool = False) -> requests.Session:
    """The session, with every answer bounded, and `stays` if none may send a question on to another host."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, BoundedAdapter(limit, seconds, stays=stays))
    return session


@cache
def _noting(base: type[Any]) -> type[Any]:
    """The same connection, which notes its socket so that another thread can cut it."""

    class Noting(base):  # type: ignore[misc]  # a class that urllib3 chose, by the scheme.
        def __init__(self, *args: Any, noted: "WeakSet[socket.socket]", **options: Any) -> None:
            super().__init__(*args, **options)
            self._noted = noted

        def connect(self) -> None:
            super().connect()
            self._noted.add(self.sock)

    return Noting
