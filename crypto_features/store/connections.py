"""Connections of the HTTP server: one that only costs is ended, so that idle, slow and endless ones keep nobody out."""

import asyncio
from collections.abc import Iterable
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10.0
"""How long a client may take for the line and headers of a request, from its first byte or from connecting."""
READING_SECONDS = 30.0
"""How long a client may leave an answer unread."""
MOST_CONNECTIONS, MOST_OF_A_CLIENT = 512, 256
MOST_HEADER_BYTES = 16_384


class Connection(H11Protocol):
    """A connection of uvicorn that is ended when it takes too long, or when another one needs its place.

    The place of the one that has been idle for longest goes to a new one. A client whose connection was ended between
    two requests connects again; one that only holds connections open loses them first.
    """

    deadline: asyncio.TimerHandle | None = None
    unread: asyncio.TimerHandle | None = None
    since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it.
        """Take a place, and give the client its time."""
        super().connection_made(transport)
        others = cast("set[Connection]", self.connections) - {self}
        of_client = [other for other in others if other.host == self.host]
        for held, most in ((of_client, MOST_OF_A_CLIENT), (others, MOST_CONNECTIONS)):
            if len(held) >= most:
                self._in_place_of(held)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on; a request that has begun must be complete in time, whatever is sent in between."""
        super().data_received(data)
        if not self.idle:
            self._stop_waiting()
        elif self.deadline is None:
            self._wait()

    def pause_writing(self) -> None:
        """Give the client time to read what waits for it."""
        super().pause_writing()
        self.unread = self.loop.call_later(READING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        super().resume_writing()
        if self.unread is not None:
            self.unread.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        super().connection_lost(exc)
        self._stop_waiting()
        if self.unread is not None:
            self.unread.cancel()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def host(self) -> str | None:
        """The address of the client."""
        return self.client and self.client[0]

    def _wait(self) -> None:
        self.since = self.loop.time()
        self.deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        self.since = self.loop.time()
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _in_place_of(self, held: Iterable["Connection"]) -> None:
        ended = min((other for other in held if other.idle), key=lambda other: other.since, default=self)
        ended.connections.discard(ended)
        ended.transport.abort()
