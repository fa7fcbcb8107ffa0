"""One request and its reply, as a handler sees them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from mock_vllm.wire.head import EVENTS, JSON

if TYPE_CHECKING:
    from mock_vllm.wire.connection import Connection


def read_path(target: bytes) -> str:
    """The path of a request target, without query and percent-decoded."""
    path = target.partition(b"?")[0].decode("latin-1")
    return unquote(path) if "%" in path else path


class Exchange:
    """A request with the means to answer it: once in full with `reply`, or piecewise with `start`, `write`, `finish`.

    Attributes
        method      upper-case name of the method, such as `POST`
        path        path without query, percent-decoded
        headers     name in lower case -> value; several fields of one name are joined with `, `
        body        the whole body
        head        the head as it came, where that was in one packet with everything else; otherwise None
        params      values of `{name}` parts of the route's pattern
        old         whether the client speaks HTTP/1.0
        on_close    called once, without arguments, when the client goes away before the reply is complete
        on_resume   called when a slow client has drained what was written (see `writable`)
        state       free for the application
        route       the route that answers, once it is known
        fault       the fault that strikes this request, if any

    """

    # defaults live on the class: creating an exchange writes only what differs (measured: a microsecond a request)
    params: Mapping[str, str] = MappingProxyType({})
    keep_alive = True
    old = False
    started = False
    finished = False
    status = 0
    arrived = 0.0
    extra_headers = b""
    on_close: Callable[[], None] | None = None
    on_resume: Callable[[], None] | None = None
    state: Any = None
    fault: Any = None
    route: Any = None
    head: bytes | None = None

    def __init__(
        self, connection: "Connection", method: str, target: bytes, path: str, headers: dict[bytes, bytes], body: bytes
    ) -> None:
        self._connection: Connection | None = connection
        self._target = target
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; the last one of a name wins."""
        return dict(parse_qsl(self._target.partition(b"?")[2].decode("latin-1"), keep_blank_values=True))

    @property
    def closed(self) -> bool:
        """Whether the client has gone away (or the reply is complete)."""
        return self._connection is None

    @property
    def writable(self) -> bool:
        """False while the client does not read what was written; `on_resume` tells when it does again."""
        return self._connection is not None and not self._connection.write_paused

    def header(self, name: str) -> str | None:
        """The value of a header by its lower-case name."""
        value = self.headers.get(name.encode("latin-1"))
        return None if value is None else value.decode("latin-1")

    def reply(self, body: bytes, status: int = 200, content_type: bytes = JSON, headers: bytes = b"") -> None:
        """Answer completely. `headers`: whole lines, each ended by CRLF. Does nothing when the client is gone."""
        connection = self._connection
        if connection is None:
            return
        self.status = status
        self.started = True
        if (
            status == 200
            and content_type is JSON
            and self.keep_alive
            and not headers
            and not self.extra_headers
            and self.method != "HEAD"
        ):
            connection.transport.write(connection.heads.ok_json(body))
        else:
            head = connection.heads.full(
                status, content_type, len(body), self.extra_headers + headers, not self.keep_alive
            )
            connection.transport.write(head if self.method == "HEAD" else head + body)
        self._complete(connection)

    def start(
        self, data: bytes = b"", *, end: bool = False, content_type: bytes = EVENTS, headers: bytes = b""
    ) -> None:
        """Begin a chunked 200 reply; `data`, its first piece (and with `end` its only one), goes out in one write with the head."""
        connection = self._connection
        if connection is None:
            return
        self.status = 200
        self.started = True
        if self.old:
            # HTTP/1.0 knows no chunks: the end of the connection is the end of the body
            head = connection.heads.full(200, content_type, -1, self.extra_headers + headers, close=True)
            connection.transport.write(head + data)
            if end:
                self._complete(connection)
            return
        if content_type is EVENTS and self.keep_alive and not headers and not self.extra_headers:
            head = connection.heads.events
        else:
            head = connection.heads.full(200, content_type, None, self.extra_headers + headers, not self.keep_alive)
        last = b"0\r\n\r\n" if end else b""
        connection.transport.write(b"%b%x\r\n%b\r\n%b" % (head, len(data), data, last) if data else head + last)
        if end:
            self._complete(connection)

    def write(self, data: bytes) -> None:
        """Send one more piece of a chunked reply."""
        connection = self._connection
        if connection is not None and data:
            connection.transport.write(data if self.old else b"%x\r\n%b\r\n" % (len(data), data))

    def finish(self, data: bytes = b"") -> None:
        """Send the last piece and end the chunked reply."""
        connection = self._connection
        if connection is None:
            return
        if self.old:
            connection.transport.write(data)
        else:
            connection.transport.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n")
        self._complete(connection)

    def cut(self, body: bytes, announced: int, *, reset: bool, hold: bool) -> None:
        """Announce a JSON body of `announced` bytes, send less of it, and close (or with `hold` keep the client waiting)."""
        connection = self._connection
        if connection is None:
            return
        self.status = 200
        self.started = True
        connection.transport.write(connection.heads.full(200, JSON, announced, self.extra_headers, close=True) + body)
        if not hold:
            connection.drop(reset=reset)

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are, outside any framing: what faults are made of."""
        if self._connection is not None:
            self._connection.transport.write(data)

    def drop(self, *, reset: bool = False) -> None:
        """End the connection without completing the reply; `reset` discards unsent data (RST)."""
        if self._connection is not None:
            self._connection.drop(reset=reset)

    def _complete(self, connection: "Connection") -> None:
        self.finished = True
        self._connection = None
        if self.on_close is not None:
            self.on_close = self.on_resume = None
        connection.exchange_done(self)

    def abandon(self) -> None:
        """The connection is lost: tell the application, once."""
        self._connection = None
        callback, self.on_close, self.on_resume = self.on_close, None, None
        if callback is not None:
            callback()
