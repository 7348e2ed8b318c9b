"""Connections of the HTTP server: one that only costs is ended, so that idle, slow and endless ones keep nobody out."""

import asyncio
from collections import Counter, defaultdict
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from crypto_features.store.streams import PATH

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

    taken: ClassVar[Counter[str | None]] = Counter()
    """How many connections each client has."""
    idle: ClassVar[defaultdict[str | None, dict["Connection", None]]] = defaultdict(dict)
    """Those of each client that are not being answered, the longest idle first."""
    deadline: asyncio.TimerHandle | None = None
    unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it.
        """Take a place, and give the client its time."""
        super().connection_made(transport)
        self.host = self.client and self.client[0]
        self.taken[self.host] += 1
        if self.taken[self.host] > MOST_OF_A_CLIENT:
            self._end_one_of(self.host)
        elif self.taken.total() > MOST_CONNECTIONS:
            self._end_one_of(max(self.idle, key=lambda host: len(self.idle[host]), default=self.host))
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read on; a request that has begun must be complete in time, whatever is sent in between."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self.deadline is None:
            self._wait()

    def on_response_complete(self) -> None:
        """Wait for another request, for as long as uvicorn keeps a connection that is silent."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():  # no other was in line.
            self.idle[self.host][self] = None

    def pause_writing(self) -> None:
        """Give the client time to read what waits for it."""
        super().pause_writing()
        self.unread = self.loop.call_later(READING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads."""
        super().resume_writing()
        if self.unread is not None:
            self.unread.cancel()

    def shutdown(self) -> None:
        """End with the server; a stream of events has no end of its own."""
        super().shutdown()
        if self.cycle is not None and not self.cycle.response_complete and self.scope["path"].endswith(PATH):
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        super().connection_lost(exc)
        self._stop_waiting()
        self.taken[self.host] -= 1
        if not self.taken[self.host]:
            del self.taken[self.host]
            self.idle.pop(self.host, None)
        if self.unread is not None:
            self.unread.cancel()

    def _wait(self) -> None:
        self.idle[self.host][self] = None
        self.deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        self.idle[self.host].pop(self, None)
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _end_one_of(self, host: str | None) -> None:
        """End the connection of a client that was idle for longest, or this one where all are being answered."""
        ended = next(iter(self.idle[host]), self)
        self.idle[host].pop(ended, None)
        ended.transport.abort()
