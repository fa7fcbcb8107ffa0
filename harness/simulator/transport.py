"""HTTP/1.1 to a Kubernetes API at a third of the usual cost: controllers spend half of their time in their HTTP client otherwise.

The client library stays lightkube, on httpx2; its transport is this one. The parser is the one that uvicorn uses (httptools), and a
connection that its server closed is known from the event loop, where httpx2's own pool asks the system of every idle connection before
each request. What an API server never does is not covered: bodies that end with the connection, upgrades, answers to HEAD.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any, Final

import httptools
import httpx2
from lightkube import AsyncClient, KubeConfig
from lightkube.config.client_adapter import verify_cluster
from lightkube.core.exceptions import ConfigError

IDLE_S: Final = 3.0
"""An idle connection is not used again after so long: servers close theirs after 5 s and more, and a request must not meet that."""
IDLE_CONNECTIONS: Final = 20
UNREAD_BYTES: Final = 1 << 20
"""A stream that nobody reads stops its server when so much has come."""
Origin = tuple[str, str, int]


def kubernetes_client(kubeconfig: KubeConfig, field_manager: str | None = None) -> AsyncClient:
    """A client of the API server that the present context names. Raises ConfigError, and OSError for certificates that cannot be read."""
    config = kubeconfig.get()
    if config is None or config.user is None:
        raise ConfigError("the present context names no cluster or no user")
    context = verify_cluster(config.cluster, config.user, config.abs_file, trust_env=False)
    return AsyncClient(config=config, field_manager=field_manager, trust_env=False, transport=Transport(context))


class Transport(httpx2.AsyncBaseTransport):
    """Keeps connections and gives each request one of its own."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        self._idle: dict[Origin, list[tuple[float, _Connection]]] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it and return its response; a body of a known length is in it whole. Raises httpx2.TransportError."""
        seconds: dict[str, float | None] = request.extensions.get("timeout") or {}
        content = await request.aread()
        origin = _origin(request.url)
        connection = await self._connection(origin, seconds.get("connect"))
        try:
            connection.send(_head(request), content)
            await connection.head(seconds.get("read"))
        except BaseException:
            connection.abort()
            raise
        if not connection.complete:
            body = _Body(self, origin, connection, seconds.get("read"))
            return httpx2.Response(connection.status, headers=connection.headers, stream=body)
        response = httpx2.Response(connection.status, headers=connection.headers, content=connection.taken())
        self.release(origin, connection)
        return response

    def release(self, origin: Origin, connection: "_Connection") -> None:
        """Keep a connection whose response is complete for the next request."""
        idle = self._idle.setdefault(origin, [])
        idle[:] = [(since, other) for since, other in idle if not other.is_lost]
        if connection.is_reusable and len(idle) < IDLE_CONNECTIONS:
            idle.append((asyncio.get_running_loop().time(), connection))
        else:
            connection.abort()

    async def aclose(self) -> None:
        """Close the connections that nobody uses."""
        for idle in self._idle.values():
            for _, connection in idle:
                connection.abort()
        self._idle.clear()

    async def _connection(self, origin: Origin, seconds: float | None) -> "_Connection":
        loop = asyncio.get_running_loop()
        idle = self._idle.get(origin, [])
        while idle:
            since, known = idle.pop()  # the latest: the others grow old and are closed
            if not known.is_lost and loop.time() - since < IDLE_S:
                return known
            known.abort()
        scheme, host, port = origin
        try:
            async with asyncio.timeout(seconds):
                context = self._context if scheme == "https" else None
                _, made = await loop.create_connection(_Connection, host, port, ssl=context)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(f"no connection to {host}:{port} within {seconds} s") from error
        except OSError as error:
            raise httpx2.ConnectError(f"no connection to {host}:{port}: {error}") from error
        return made


class _Connection(asyncio.Protocol):
    """One connection, which carries one exchange at a time. The lower-case `on_` methods are the parser's."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.is_lost = False
        self.is_reusable = False
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._pieces: list[bytes] = []
        self._unread = 0
        self._has_length = self._has_head = False
        self._fault: httpx2.TransportError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def send(self, head: bytes, content: bytes) -> None:
        """Begin an exchange. Raises httpx2.WriteError on a connection that is lost."""
        if self._transport is None or self.is_lost:
            raise httpx2.WriteError("the connection is closed")
        self._parser = httptools.HttpResponseParser(self)
        self.headers, self._pieces, self._unread = [], [], 0
        self.complete = self.is_reusable = self._has_length = self._has_head = False
        self._transport.write(head + content if content else head)

    async def head(self, seconds: float | None) -> None:
        """Wait for status and headers, and for the body too where its length is known. Raises httpx2.TransportError."""
        while not (self.complete or (self._has_head and not self._has_length)):
            await self._news(seconds)

    async def more(self, seconds: float | None) -> bytes:
        """What has come since the last call, empty when there is nothing more to come. Raises httpx2.TransportError."""
        while not self._pieces and not self.complete:
            await self._news(seconds)
        return self.taken()

    def taken(self) -> bytes:
        """What has come since the last call."""
        found = b"".join(self._pieces)
        self._pieces = []
        if self._unread >= UNREAD_BYTES and self._transport is not None:
            self._transport.resume_reading()
        self._unread = 0
        return found

    def abort(self) -> None:
        """Close it at once."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.abort()

    async def _news(self, seconds: float | None) -> None:
        if self._fault is not None:
            raise self._fault
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._waiter
        except TimeoutError as error:
            raise httpx2.ReadTimeout(f"no answer within {seconds} s") from error
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio."""
        self._transport = transport  # type: ignore[assignment]  # of a stream, as this protocol asked for

    def data_received(self, data: bytes) -> None:
        """Of asyncio."""
        if self._parser is None or self.complete:
            self.abort()  # nothing was asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fault = httpx2.RemoteProtocolError(f"no HTTP response: {type(error).__name__}: {error}")
            self.abort()
        if self._unread >= UNREAD_BYTES and not self._has_length and self._transport is not None:
            self._transport.pause_reading()
        if self.complete or self._fault is not None or (self._has_head and not self._has_length):
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio."""
        self.is_lost = True
        if self._fault is None:
            self._fault = httpx2.ReadError(f"the connection broke before the response was complete: {exc or 'closed'}")
        self._wake()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the response."""
        self.headers.append((name, value))
        if name.lower() == b"content-length":
            self._has_length = True

    def on_headers_complete(self) -> None:
        """Status and headers are there; those of an interim response are dropped."""
        self.status = self._parser.get_status_code()
        if self.status >= httpx2.codes.OK:
            self._has_head = True
        else:
            self.headers, self._has_length = [], False

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._pieces.append(piece)
        self._unread += len(piece)

    def on_message_complete(self) -> None:
        """The end of a response."""
        if self._has_head:
            self.complete = True
            self.is_reusable = self._parser.should_keep_alive() and not self.is_lost


class _Body(httpx2.AsyncByteStream):
    """A body of unknown length, as it comes."""

    def __init__(self, pool: Transport, origin: Origin, connection: _Connection, seconds: float | None) -> None:
        self._pool = pool
        self._origin = origin
        self._connection: _Connection | None = connection
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces, until the end. Raises httpx2.TransportError."""
        while self._connection is not None and (piece := await self._connection.more(self._seconds)):
            yield piece

    async def aclose(self) -> None:
        """Give the connection back, or close it where the body has not ended."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.complete:
            self._pool.release(self._origin, connection)
        elif connection is not None:
            connection.abort()


def _origin(url: httpx2.URL) -> Origin:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _head(request: httpx2.Request) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    return b"\r\n".join([*lines, b"\r\n"])
