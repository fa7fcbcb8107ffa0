"""Response heads: everything that can be written before the request is known, written once."""

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
EVENTS: Final = b"text/event-stream; charset=utf-8"
_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


class Heads:
    """Builds response heads with uvicorn's header names and order; `refresh` renews the date once a second."""

    __slots__ = ("_json", "_stamp", "events", "extra", "server")

    def __init__(self, server: bytes = b"uvicorn", extra: bytes = b"") -> None:
        self.server = server
        self.extra = extra
        self._stamp = b""
        self._json = b""
        self.events = b""
        self.refresh()

    def refresh(self) -> None:
        """Put the present time into the heads."""
        date = formatdate(time.time(), usegmt=True).encode()
        self._stamp = b"\r\ndate: %b\r\nserver: %b\r\n%b" % (date, self.server, self.extra)
        self._json = b"HTTP/1.1 200 OK%bcontent-type: application/json\r\ncontent-length: " % self._stamp
        self.events = self.full(200, EVENTS, None, b"", close=False)

    def ok_json(self, body: bytes) -> bytes:
        """Head and body of a 200 JSON reply on a connection that stays open: the path that most replies take."""
        return b"".join((self._json, b"%d\r\n\r\n" % len(body), body))

    def full(self, status: int, content_type: bytes, length: int | None, headers: bytes, close: bool) -> bytes:
        """A head. `length` None announces a chunked body, a negative one a body that ends with the connection.

        `headers` are whole lines, each ended by CRLF.
        """
        phrase = _PHRASES.get(status, b"Unknown")
        size = (
            b"transfer-encoding: chunked\r\n"
            if length is None
            else b"content-length: %d\r\n" % length
            if length >= 0
            else b""
        )
        kind = b"content-type: %b\r\n" % content_type if content_type else b""
        end = b"connection: close\r\n" if close else b""
        return b"HTTP/1.1 %d %b%b%b%b%b%b\r\n" % (status, phrase, self._stamp, kind, size, headers, end)
