"""A unary gRPC server on raw HTTP/2 frames: one method per listening socket, messages handled in the order they arrived.

Why not grpcio: its asyncio server spends a whole core on what this does with a tenth of one, and it starts handlers as tasks, so two
calls of one connection may be handled in either order. The limiter's exactness stands on that order (see `limiter`): Envoy writes the
report of a finished response before any check that the client's next request can cause, on the same connection.

One method per socket, so header blocks are never decoded. Flow control, PING, SETTINGS, RST_STREAM and GOAWAY follow RFC 9113;
errors are gRPC trailers-only answers. grpcio's client is the conformance reference in the tests.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

Handler = Callable[[bytes], bytes | Awaitable[bytes]]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
MAX_FRAME = 16_384
MAX_MESSAGE = 4 * 1024 * 1024
DEFAULT_WINDOW = 65_535
CONNECTION_WINDOW = 2**31 - 1
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR = 1, 3, 6
INVALID_ARGUMENT, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE = 3, 8, 13, 14
"""gRPC status codes, https://grpc.github.io/grpc/core/md_doc_statuscodes.html"""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One HTTP/2 frame (RFC 9113, section 4.1)."""
    size = len(payload)
    return struct.pack(">BHBBI", size >> 16, size & 0xFFFF, kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header field without indexing and without Huffman coding (RFC 7541, section 6.2.2); both parts below 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


STATUS_200 = b"\x88"
RESPONSE_HEADERS = STATUS_200 + literal(b"content-type", b"application/grpc")
OK_TRAILERS = literal(b"grpc-status", b"0")


class GrpcError(Exception):
    """The call fails with a gRPC status; the text travels in grpc-message (cut to 120 ASCII characters)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ConnectionFaultError(Exception):
    """The peer broke HTTP/2; the connection ends with GOAWAY and this error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class UnaryConnection(asyncio.Protocol):
    """One HTTP/2 connection of a client. Answers that are ready at once leave in one write per read."""

    __slots__ = (
        "_buffer",
        "_credit",
        "_handler",
        "_out",
        "_peers",
        "_preface",
        "_received",
        "_send_window",
        "_stream_window",
        "_streams",
        "_tasks",
        "_transport",
        "_waiting",
    )

    def __init__(self, handler: Handler, peers: set["UnaryConnection"]) -> None:
        self._handler = handler
        self._peers = peers
        self._buffer = b""
        self._preface = False
        self._out: list[bytes] = []
        self._streams: dict[int, bytearray] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._send_window = DEFAULT_WINDOW
        self._stream_window = DEFAULT_WINDOW
        self._credit: dict[int, int] = {}
        self._received = 0
        self._transport: asyncio.Transport | None = None

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Announce settings and a connection window that is in practice unlimited."""
        self._transport = cast("asyncio.Transport", transport)
        self._peers.add(self)
        settings = struct.pack(">HIHIHI", 1, 0, 3, 2**31 - 1, 4, MAX_MESSAGE + 5 + MAX_FRAME)
        grow = struct.pack(">I", CONNECTION_WINDOW - DEFAULT_WINDOW)
        self._transport.write(frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, grow))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget every call that is still being answered."""
        self._peers.discard(self)
        for task in self._tasks.values():
            task.cancel()
        self._streams.clear()
        self._waiting.clear()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Handle every whole frame, strictly in order, then write all answers that are ready."""
        self._buffer = self._buffer + data if self._buffer else data
        try:
            self._consume()
        except ConnectionFaultError as fault:
            self._out.append(frame(GOAWAY, 0, 0, struct.pack(">II", 0, fault.code) + str(fault).encode()))
            self._flush()
            if self._transport is not None:
                self._transport.close()
            return
        self._flush()

    def close(self) -> None:
        """Say goodbye (no new streams) and close once what was written has left."""
        if self._transport is not None:
            self._transport.write(frame(GOAWAY, 0, 0, struct.pack(">II", 2**31 - 1, 0)))
            self._transport.close()

    # -- frames in

    def _consume(self) -> None:
        buffer, at = self._buffer, 0
        if not self._preface:
            if len(buffer) < len(PREFACE):
                if not PREFACE.startswith(buffer):
                    raise ConnectionFaultError(PROTOCOL_ERROR, "expected the HTTP/2 connection preface")
                return
            if not buffer.startswith(PREFACE):
                raise ConnectionFaultError(PROTOCOL_ERROR, "expected the HTTP/2 connection preface")
            self._preface, at = True, len(PREFACE)
        while len(buffer) - at >= 9:
            size = (buffer[at] << 16) | (buffer[at + 1] << 8) | buffer[at + 2]
            if size > MAX_FRAME:
                raise ConnectionFaultError(
                    FRAME_SIZE_ERROR, f"a frame of {size} bytes, at most {MAX_FRAME} are accepted"
                )
            end = at + 9 + size
            if len(buffer) < end:
                break
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big") & 0x7FFFFFFF
            self._frame(buffer[at + 3], buffer[at + 4], stream, buffer[at + 9 : end])
            at = end
        self._buffer = buffer[at:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self._data(flags, stream, payload)
        elif kind == HEADERS:
            if stream % 2 == 0:
                raise ConnectionFaultError(PROTOCOL_ERROR, f"a client opened the even stream {stream}")
            self._streams[stream] = bytearray()
            if flags & END_STREAM:
                self._dispatch(stream)
        elif kind == SETTINGS:
            self._settings(flags, payload)
        elif kind == PING and not flags & ACK:
            self._out.append(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            self._window(stream, int.from_bytes(payload[:4], "big") & 0x7FFFFFFF)
        elif kind == RST_STREAM:
            self._streams.pop(stream, None)
            self._credit.pop(stream, None)
            if (task := self._tasks.pop(stream, None)) is not None:
                task.cancel()

    def _data(self, flags: int, stream: int, payload: bytes) -> None:
        self._received += len(payload)
        if self._received > CONNECTION_WINDOW // 2:
            self._out.append(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", self._received)))
            self._received = 0
        message = self._streams.get(stream)
        if message is None:
            return
        if flags & PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        message += payload
        if len(message) > MAX_MESSAGE + 5:
            del self._streams[stream]
            self._fail(stream, RESOURCE_EXHAUSTED, f"a message above {MAX_MESSAGE} bytes")
            self._out.append(frame(RST_STREAM, 0, stream, struct.pack(">I", 0)))
        elif flags & END_STREAM:
            self._dispatch(stream)

    def _settings(self, flags: int, payload: bytes) -> None:
        if flags & ACK:
            return
        for at in range(0, len(payload) - 5, 6):
            name, value = struct.unpack_from(">HI", payload, at)
            if name == 4:
                self._stream_window = value
        self._out.append(frame(SETTINGS, ACK, 0))

    def _window(self, stream: int, increment: int) -> None:
        if stream == 0:
            self._send_window += increment
            if self._send_window > CONNECTION_WINDOW:
                raise ConnectionFaultError(FLOW_CONTROL_ERROR, "the connection window passed 2^31-1")
        elif stream in self._streams or stream in self._tasks:
            self._credit[stream] = self._credit.get(stream, 0) + increment
        while self._waiting and len(self._waiting[0][1]) <= self._send_window:
            self._answer(*self._waiting.popleft())

    # -- calls

    def _dispatch(self, stream: int) -> None:
        message = bytes(self._streams.pop(stream))
        if len(message) < 5 or message[0] or int.from_bytes(message[1:5], "big") != len(message) - 5:
            self._fail(stream, INVALID_ARGUMENT, "expected one uncompressed gRPC message")
            return
        try:
            answer = self._handler(message[5:])
        except GrpcError as error:
            self._fail(stream, error.status, str(error))
            return
        if isinstance(answer, bytes):
            self._answer(stream, answer)
        else:
            later = cast("Coroutine[Any, Any, bytes]", answer)
            self._tasks[stream] = asyncio.ensure_future(self._finish(stream, later))

    async def _finish(self, stream: int, later: Awaitable[bytes]) -> None:
        try:
            answer = await later
        except GrpcError as error:
            self._fail(stream, error.status, str(error))
        else:
            self._answer(stream, answer)
        self._tasks.pop(stream, None)
        self._flush()

    def _answer(self, stream: int, message: bytes) -> None:
        size = len(message) + 5
        if size > min(self._stream_window + self._credit.pop(stream, 0), MAX_FRAME):
            self._fail(stream, RESOURCE_EXHAUSTED, f"an answer of {size} bytes does not fit the stream's window")
        elif size > self._send_window:
            self._waiting.append((stream, message))
        else:
            self._send_window -= size
            self._out.append(frame(HEADERS, END_HEADERS, stream, RESPONSE_HEADERS))
            self._out.append(frame(DATA, 0, stream, struct.pack(">BI", 0, len(message)) + message))
            self._out.append(frame(HEADERS, END_HEADERS | END_STREAM, stream, OK_TRAILERS))

    def _fail(self, stream: int, status: int, message: str) -> None:
        text = message.encode("ascii", "replace")[:120]
        block = RESPONSE_HEADERS + literal(b"grpc-status", b"%d" % status) + literal(b"grpc-message", text)
        self._credit.pop(stream, None)
        self._out.append(frame(HEADERS, END_HEADERS | END_STREAM, stream, block))

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()
