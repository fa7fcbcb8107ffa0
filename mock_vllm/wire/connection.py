"""One HTTP/1.1 connection: parsing by llhttp, pipelining in order, limits, and replies in as few writes as can be.

Hand-made because speed is this server's purpose (no framework, no task per request); everything that is not HTTP lives elsewhere.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, cast

import httptools

from mock_vllm.wire.exchange import Exchange, read_path
from mock_vllm.wire.head import TEXT, Heads
from mock_vllm.wire.plain import Plain, PlainRequest

MAX_PIPELINED: Final = 32
LINGER_S: Final = 1.0
METHODS: Final = {name.encode(): name for name in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may ask for: bytes of a body, bytes of a head, seconds of idling and of sending one request."""

    body: int = 64 * 1024 * 1024
    head: int = 64 * 1024
    idle_s: float = 65.0
    request_s: float = 60.0


class Hub:
    """What all connections of one port share.

    `application` takes each request; `ended` is called once for each of them, when its reply is written or its client is
    gone. `paths` are those most asked for (a look-up is cheaper than decoding).
    """

    __slots__ = ("application", "clock", "connections", "ended", "heads", "limits", "paths", "read_plain", "stopping")

    def __init__(
        self,
        application: Callable[[Exchange], None],
        ended: Callable[[Exchange], None],
        clock: Callable[[], float],
        limits: Limits | None = None,
        heads: Heads | None = None,
        paths: Iterable[str] = (),
    ) -> None:
        self.application = application
        self.ended = ended
        self.clock = clock
        self.limits = limits or Limits()
        self.heads = heads or Heads()
        self.paths = {path.encode(): path for path in paths}
        self.read_plain = Plain(METHODS, self.paths.values(), self.limits.body).read
        self.connections: set[Connection] = set()
        self.stopping = False

    def sweep(self) -> None:
        """Close connections that idle or dawdle beyond the limits; called about once a second."""
        now = self.clock()
        for connection in [one for one in self.connections if one.overdue(now)]:
            connection.expire()

    def drain(self) -> None:
        """Stop keeping connections alive: idle ones close now, busy ones after their reply."""
        self.stopping = True
        for connection in list(self.connections):
            connection.close_if_idle()


def whole_head(packet: bytes, body: bytes) -> bytes | None:
    """The head in a packet that holds one request and nothing else; None when there is more in it."""
    head = packet[: len(packet) - len(body)]
    return head if packet.endswith(body) and head.find(b"\r\n\r\n") == len(head) - 4 else None


class Connection(asyncio.Protocol):
    """Bytes in, exchanges out, one at a time and in order."""

    __slots__ = (
        "_began",
        "_body",
        "_current",
        "_first",
        "_head_bytes",
        "_headers",
        "_hub",
        "_in_head",
        "_packet",
        "_parser",
        "_raw",
        "_reading_paused",
        "_refused",
        "_target",
        "_waiting",
        "heads",
        "last_active",
        "transport",
        "write_paused",
    )

    transport: asyncio.Transport

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.heads = hub.heads
        self.write_paused = False
        self.last_active = 0.0
        self._waiting: deque[Exchange] | None = None
        self._current: Exchange | None = None
        self._reading_paused = False
        self._in_head = False
        self._began = 0.0
        self._refused = False
        self._packet = b""
        self._first = False
        self._raw: bytes | None = None
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] | bytes = b""
        self._head_bytes = 0
        self._parser: httptools.HttpRequestParser | None = None

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in deed, not by inheritance
        self._parser = httptools.HttpRequestParser(self)
        self.last_active = self._hub.clock()
        self._hub.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, whose callbacks below build requests."""
        if self._refused or self._parser is None:
            return
        self.last_active = self._hub.clock()
        if not self._began and self._current is None and not self._waiting:
            plain = self._hub.read_plain(data)
            if plain is not None:
                self._take(plain)
                return
        self._packet = data
        self._first = True
        try:
            self._parser.feed_data(data)
            self._packet = b""
            if self._began:
                self._unfinished(len(data))
        except httptools.HttpParserUpgrade:
            self._refused = True  # an upgrade is ignored: the request was answered, what follows cannot be read
            if self._current is None:
                self.transport.close()
            else:
                self._current.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(400, b"Invalid HTTP request received.")

    def _take(self, plain: PlainRequest) -> None:
        """Answer a request that was read without the parser, which stays where it is: at the beginning of a message."""
        method, target, path, headers, head, body = plain
        exchange = self._current = Exchange(self, method, target, path, headers, body)
        exchange.arrived = self.last_active
        exchange.head = head
        if self._hub.stopping:
            exchange.keep_alive = False
        self._hub.application(exchange)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: whatever was under way for it ends."""
        del exc
        self._hub.connections.discard(self)
        self._parser = None
        self._waiting = None
        current, self._current = self._current, None
        if current is not None:
            current.abandon()
            self._hub.ended(current)

    def eof_received(self) -> bool:
        """A half-closed client counts as gone, as with uvicorn."""
        return False

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.write_paused = False
        if self._current is not None and self._current.on_resume is not None:
            self._current.on_resume()

    # --- what llhttp calls

    def on_message_begin(self) -> None:
        """A new request line begins."""
        self._target = b""
        self._headers = {}
        self._body = b""
        self._raw = self._packet if self._first else None
        self._first = False
        self._began = self.last_active
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """(A part of) the request target."""
        self._target = self._target + url if self._target else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field."""
        name = name.lower()
        headers = self._headers
        headers[name] = value if name not in headers else headers[name] + b", " + value

    def on_headers_complete(self) -> None:
        """The head is whole; a client that asks first is told to go on."""
        self._in_head = False
        self._head_bytes = 0
        if self._refused:
            return
        if b"expect" in self._headers and self._headers[b"expect"].lower() == b"100-continue" and self._current is None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """A part of the body: kept as it is when it comes in one piece."""
        if self._refused:
            return
        body = self._body
        if not body:
            self._body = data
            return
        if isinstance(body, bytes):
            body = self._body = [body]
        body.append(data)
        if len(body) % 64 == 0 and sum(map(len, body)) > self._hub.limits.body:
            self._refuse(413, b"Request body too large.")

    def on_message_complete(self) -> None:
        """A whole request: answered at once, or after those before it."""
        self._began = 0.0
        parser = self._parser
        if self._refused or parser is None:
            return
        body = self._body if isinstance(self._body, bytes) else b"".join(self._body)
        self._body = b""
        if len(body) > self._hub.limits.body:
            self._refuse(413, b"Request body too large.")
            return
        method = parser.get_method()
        target = self._target
        path = self._hub.paths.get(target) or read_path(target)
        exchange = Exchange(self, METHODS.get(method) or method.decode("latin-1"), target, path, self._headers, body)
        exchange.arrived = self.last_active
        if self._raw is self._packet:
            exchange.head = whole_head(self._packet, body)
        self._raw = None
        exchange.keep_alive = parser.should_keep_alive() and not self._hub.stopping
        if not exchange.keep_alive or b"connection" in self._headers:
            exchange.old = parser.get_http_version() == "1.0"
            exchange.keep_alive = exchange.keep_alive and not exchange.old
        if self._current is None and not self._waiting:
            self._current = exchange
            self._hub.application(exchange)
            return
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(exchange)
        if len(self._waiting) >= MAX_PIPELINED and not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def _unfinished(self, size: int) -> None:
        """A request that goes on in the next packet: only now its size is of interest."""
        limits = self._hub.limits
        if self._in_head:
            self._head_bytes += size
            if self._head_bytes > limits.head:
                self._refuse(431, b"Request header fields too large.")
            return
        length = self._headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limits.body:
            self._refuse(413, b"Request body too large.")

    # --- what exchanges and the hub call

    def exchange_done(self, exchange: Exchange) -> None:
        """The reply is written: close, or take the next pipelined request."""
        self._current = None
        self._hub.ended(exchange)
        if not exchange.keep_alive or self._hub.stopping:
            self._refused = True  # whatever else was sent on this connection is not read any more
            self.transport.close()
            return
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        if not self._waiting or self._current is not None or self._refused:
            return
        self._current = self._waiting.popleft()
        if self._reading_paused and len(self._waiting) < MAX_PIPELINED // 2:
            self._reading_paused = False
            self.transport.resume_reading()
        self._hub.application(self._current)

    def drop(self, *, reset: bool) -> None:
        """End the connection now; with `reset` the client sees a reset instead of an end."""
        if reset:
            sock = self.transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()

    def overdue(self, now: float) -> bool:
        """Whether this connection idles, or sends one request, for longer than the limits allow."""
        if self._current is not None:
            return False
        if self._refused:
            return now - self.last_active > LINGER_S
        if self._began:
            return now - self._began > self._hub.limits.request_s
        return now - self.last_active > self._hub.limits.idle_s

    def expire(self) -> None:
        """Close after too long a silence; a client in the middle of a request is told so."""
        if self._began and not self._refused:
            self._refuse(408, b"Request timed out.")
        else:
            self.transport.close()

    def close_if_idle(self) -> None:
        """Close unless a reply is under way."""
        if self._current is None:
            self.transport.close()

    def _refuse(self, status: int, text: bytes) -> None:
        """Answer a request that HTTP itself forbids, and close."""
        if self._refused:
            return
        self._refused = True
        if self._current is not None:
            self._current.keep_alive = False  # the reply under way goes out first; it ends the connection
            return
        self.transport.write(self.heads.full(status, TEXT, len(text), b"", True) + text)
        self.last_active = self._hub.clock()
        if self.transport.can_write_eof():
            self.transport.write_eof()  # closing with unread data would reset the connection before the client has read the reason
        else:
            self.transport.close()
