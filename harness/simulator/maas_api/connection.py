"""How long a connection may take over each step, and how much it may send before a request is understood."""

import asyncio
from dataclasses import dataclass

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds, each from the beginning of its step: the head of a request, the whole request, its answer. Bytes of a head."""

    head_s: float = 5.0
    request_s: float = 15.0
    answer_s: float = 30.0
    head_bytes: int = 1 << 20


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection with bounds: it has one for idle connections alone, so a client could hold one open for ever.

    A bound that is passed closes the connection, without an answer that a slow client would not read either.
    """

    bounds = Bounds()
    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _unparsed_bytes = 0
    _began = 0.0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the head of the first request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._await(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bound a head that has not ended: only so much of it is kept."""
        super().data_received(data)
        if self._in_head:
            self._unparsed_bytes += len(data)
            if self._unparsed_bytes > self.bounds.head_bytes:
                self._close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Bound a head as its fields are read."""
        self._head_bytes += len(name) + len(value) + len(": \r\n")
        if self._head_bytes > self.bounds.head_bytes:
            self._close()
        super().on_header(name, value)

    def on_message_begin(self) -> None:
        """The head of another request on an idle connection begins."""
        super().on_message_begin()
        if self._timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The rest of the request may take what its head has left."""
        self._in_head, self._head_bytes, self._unparsed_bytes = False, 0, 0
        self._await(max(0.0, self.bounds.request_s - (self.loop.time() - self._began)))
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The answer is awaited."""
        self._await(self.bounds.answer_s)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The connection is idle until the next request; uvicorn bounds that."""
        self._await(None)
        self._in_head = True
        super().on_response_complete()

    def _await_head(self) -> None:
        self._began, self._in_head = self.loop.time(), True
        self._await(self.bounds.head_s)

    def _await(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        self._await(None)
        self.transport.abort()
