"""The frames of SPDY/3.1 that port forwarding uses: streams, data, pings."""

import functools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_VERSION = 0x8003
_FIN = 1
FRAME_LIMIT = 1 << 24


class SpdyError(Exception):
    """Bytes that are no SPDY/3.1."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The client opened a stream."""

    stream: int
    headers: dict[str, str]
    fin: bool


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes on a stream; `fin` ends the client's side of it."""

    stream: int
    payload: bytes
    fin: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """The client gave a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    """The client wants its number back."""

    number: int


Event = Opened | Data | Reset | Ping


@functools.cache
def _dictionary() -> bytes:
    """The protocol's own compression dictionary for header blocks."""
    return Path(__file__).with_name("spdy_dictionary.bin").read_bytes()


@dataclass(slots=True)
class Session:
    """One side of a connection: takes bytes, gives events, and makes the frames that answer."""

    _pending: bytearray = field(default_factory=bytearray)
    _inflate: "zlib._Decompress" = field(default_factory=lambda: zlib.decompressobj(zdict=_dictionary()))
    _deflate: "zlib._Compress" = field(default_factory=lambda: zlib.compressobj(zdict=_dictionary()))

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that these bytes complete. Raises SpdyError."""
        self._pending += chunk
        while len(self._pending) >= 8:
            head = bytes(self._pending[:8])
            size = int.from_bytes(head[5:8], "big")
            if len(self._pending) < 8 + size:
                return
            body = bytes(self._pending[8 : 8 + size])
            del self._pending[: 8 + size]
            event = self._control(head, body) if head[0] & 0x80 else self._data(head, body)
            if event is not None:
                yield event

    @staticmethod
    def _data(head: bytes, body: bytes) -> Event:
        return Data(int.from_bytes(head[:4], "big"), body, bool(head[4] & _FIN))

    def _control(self, head: bytes, body: bytes) -> Event | None:
        version, kind = struct.unpack(">HH", head[:4])
        if version != _VERSION:
            raise SpdyError(f"expected SPDY/3.1 frames, got version {version & 0x7FFF}")
        try:
            match kind:
                case 1:
                    (stream,) = struct.unpack(">I", body[:4])
                    return Opened(stream & 0x7FFFFFFF, self._headers(body[10:]), bool(head[4] & _FIN))
                case 3:
                    return Reset(struct.unpack(">II", body)[0] & 0x7FFFFFFF)
                case 6:
                    return Ping(struct.unpack(">I", body)[0])
                case _:
                    # Settings, window updates and goodbyes need no answer here.
                    return None
        except (struct.error, zlib.error, UnicodeDecodeError) as error:
            raise SpdyError(f"a frame of kind {kind} cannot be read: {error}") from error

    def _headers(self, block: bytes) -> dict[str, str]:
        raw = self._inflate.decompress(block, FRAME_LIMIT)
        (count,) = struct.unpack(">I", raw[:4])
        at, found = 4, {}
        for _ in range(min(count, 256)):
            pair = []
            for _ in range(2):
                (size,) = struct.unpack(">I", raw[at : at + 4])
                pair.append(raw[at + 4 : at + 4 + size].decode())
                at += 4 + size
            found[pair[0].lower()] = pair[1]
        return found

    def reply(self, stream: int) -> bytes:
        """Accept a stream."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return self._frame(_SYN_REPLY, struct.pack(">I", stream) + block)

    def reset(self, stream: int) -> bytes:
        """Refuse a stream (REFUSED_STREAM)."""
        return self._frame(_RST_STREAM, struct.pack(">II", stream, 3))

    def pong(self, number: int) -> bytes:
        """Answer a ping."""
        return self._frame(_PING, struct.pack(">I", number))

    @staticmethod
    def data(stream: int, payload: bytes, *, fin: bool = False) -> bytes:
        """Bytes on a stream, or its end."""
        return struct.pack(">I", stream) + struct.pack(">I", (_FIN << 24 if fin else 0) | len(payload)) + payload

    @staticmethod
    def _frame(kind: int, body: bytes) -> bytes:
        return struct.pack(">HHI", _VERSION, kind, len(body)) + body
