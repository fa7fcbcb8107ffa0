"""Plain requests, read without the parser: one packet, a known request line, clean header fields, a body of the announced length.

Clients send the same fields again and again, so a field is checked and split once and then looked up. Whatever this module does not know
for certain is None, and the parser judges it: nothing is refused here, and what is accepted reads as the parser would read it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

FIELD: Final = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~-]+): ?([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
FRAMING: Final = frozenset(
    (b"connection", b"expect", b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings")
)
UNIQUE: Final = frozenset((b"x-request-id", b"traceparent"))  # new with every request: not worth a place
LENGTH: Final = re.compile(rb"[0-9]{1,9}")
REMEMBERED: Final = 1024
REMEMBERED_BYTES: Final = 512


class UnclearError(Exception):
    """A header field that only the parser may judge."""


class Fields(dict[bytes, tuple[bytes, bytes]]):
    """Header lines and what they say: (name in lower case, value). Recent ones are remembered."""

    def __missing__(self, line: bytes) -> tuple[bytes, bytes]:
        """Read a new line. Raises UnclearError when it is not clean, or concerns the connection or the framing of the body."""
        found = FIELD.fullmatch(line)
        if found is None:
            raise UnclearError
        name, value = found[1].lower(), found[2]
        if name in FRAMING and (name, value.lower()) != (b"connection", b"keep-alive"):
            raise UnclearError
        if name == b"content-length" and LENGTH.fullmatch(value) is None:
            raise UnclearError
        if name not in UNIQUE and len(line) <= REMEMBERED_BYTES:
            if len(self) >= REMEMBERED:
                self.clear()
            self[line] = name, value
        return name, value


# method, target, path, header fields, head (what came before the empty line), body: a tuple, since building anything else costs more
PlainRequest = tuple[str, bytes, str, dict[bytes, bytes], bytes, bytes]


class Plain:
    """Reads requests to known paths."""

    __slots__ = ("_field", "_lines", "_longest")

    def __init__(self, methods: Mapping[bytes, str], paths: Iterable[str], longest: int) -> None:
        """`longest`: bytes of the longest body that is read here."""
        self._field = Fields().__getitem__
        self._longest = longest
        self._lines = {
            b"%b %b HTTP/1.1" % (verb, path.encode()): (method, path.encode(), path)
            for verb, method in methods.items()
            for path in paths
        }

    def read(self, packet: bytes) -> PlainRequest | None:
        """The one request that a packet at the beginning of a message holds; None when there is less, more or anything unusual in it."""
        at = packet.find(b"\r\n\r\n")
        if at < 0:
            return None
        head = packet[:at]
        fields = head.split(b"\r\n")
        known = self._lines.get(fields.pop(0))
        if known is None:
            return None
        try:
            headers = dict(map(self._field, fields))
        except UnclearError:
            return None
        body = packet[at + 4 :]
        size = len(body)
        if len(headers) != len(fields) or int(headers.get(b"content-length", 0)) != size or size > self._longest:
            return None
        method, target, path = known
        return method, target, path, headers, head, body
