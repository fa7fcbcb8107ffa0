"""Server-sent events, decoded as bytes arrive: a chunk may end anywhere, even inside a character or between CR and LF.

Only `data` matters to the OpenAI protocol; comments and other fields are read past. An event that was not closed by a blank line is never
dispatched (the WHATWG rule), and `unfinished` says that there was one, because a cut stream is a finding.
"""

from collections.abc import Iterator
from typing import Final

_BLANK: Final = b""


class SseDecoder:
    """Feed chunks, get the data of every event that they complete."""

    __slots__ = ("_after_cr", "_buffer", "_data")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._data: list[bytes] = []
        self._after_cr = False

    @property
    def unfinished(self) -> bool:
        """True when bytes are held that no blank line has closed."""
        return bool(self._buffer or self._data)

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the data of each event completed by this chunk, in order; undecodable UTF-8 becomes U+FFFD."""
        for line in self._lines(chunk):
            if line != _BLANK:
                self._field(line)
            elif self._data:
                data, self._data = self._data, []
                yield b"\n".join(data).decode("utf-8", errors="replace")

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        self._buffer += chunk
        while True:
            end = _line_end(self._buffer)
            if end < 0:
                return
            line = bytes(self._buffer[:end])
            width = 2 if self._buffer[end : end + 2] == b"\r\n" else 1
            del self._buffer[: end + width]
            yield line


def _line_end(buffer: bytearray) -> int:
    feed, carriage = buffer.find(b"\n"), buffer.find(b"\r")
    if feed < 0 or carriage < 0:
        return max(feed, carriage)
    return min(feed, carriage)
