"""What holds for every request: id, size, OPTIONS, CORS, metrics, and a clean answer whatever a handler raises."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import RequestError
from .metrics import Metrics

log = logging.getLogger(__name__)

LARGEST_BODY = 1 << 20
"""Bytes of a request body."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_LOCAL_ORIGIN = re.compile(r"http://(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?")
_TOO_LARGE = "http: request body too large"

ROUTE = "maas.route"
"""Scope entry with the template of the matched path."""


class Transport:
    """ASGI middleware around the router."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, debug: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        in_flight = self._metrics.in_flight.labels(scope["method"])
        in_flight.inc()

        def ended(status: int) -> None:
            in_flight.dec()
            self._metrics.observe(scope["method"], scope.get(ROUTE, "unmatched"), status, time.perf_counter() - started)

        exchange = _Exchange(scope, receive, send, self._origin(Headers(scope=scope).get("origin", "")), ended)
        try:
            await self._answer(exchange)
        finally:
            exchange.end()

    async def _answer(self, exchange: "_Exchange") -> None:
        if exchange.origin == "":
            await exchange.reply(403)
        elif exchange.scope["method"] == "OPTIONS":
            await exchange.reply(204)
        elif exchange.declared_length > LARGEST_BODY:
            await RequestError(400, _TOO_LARGE).response()(exchange.scope, exchange.receive, exchange.send)
        else:
            try:
                await self._app(exchange.scope, exchange.receive, exchange.send)
            except Exception:
                if exchange.status:
                    raise
                log.exception(
                    "no answer to %s %s", exchange.scope["method"], exchange.scope.get(ROUTE, "an unknown path")
                )
                await RequestError(500, "internal server error").response()(
                    exchange.scope, exchange.receive, exchange.send
                )

    def _origin(self, origin: str) -> str | None:
        """The origin to allow; None when CORS plays no part, empty when it is refused."""
        if not self._debug or not origin:
            return None
        return origin if _LOCAL_ORIGIN.fullmatch(origin) else ""


class _Exchange:
    """One request with what the transport adds to its answer."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, origin: str | None, ended: Callable[[int], None]
    ) -> None:
        self.scope = scope
        self._ended: Callable[[int], None] | None = ended
        self.origin = origin
        self.status = 0
        self._receive = receive
        self._send = send
        self._received = 0
        headers = Headers(scope=scope)
        asked = headers.get("x-request-id", "")
        self._id = asked if _REQUEST_ID.fullmatch(asked) else str(uuid.uuid4())
        length = headers.get("content-length", "0")
        self.declared_length = int(length) if length.isdecimal() else 0

    async def receive(self) -> Message:
        """The next part of the body. Raises RequestError once there is too much of it."""
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > LARGEST_BODY:
            raise RequestError(400, _TOO_LARGE)
        return message

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._id
            if self.origin:
                headers["Access-Control-Allow-Origin"] = self.origin
                headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
                headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Accept"
                headers["Access-Control-Max-Age"] = "43200"
                headers.add_vary_header("Origin")
        elif not message.get("more_body", False):
            # Counted before the client can know, so that a scrape after an answer always includes it.
            self.end()
        await self._send(message)

    def end(self) -> None:
        """Count the request, once."""
        if self._ended:
            ended, self._ended = self._ended, None
            ended(self.status)
            if self.status >= 400:
                level = logging.WARNING if self.status >= 500 else logging.INFO
                route = self.scope.get(ROUTE, "an unknown path")
                log.log(level, "refused %s %s %s: %d", self._id, self.scope["method"], route, self.status)

    async def reply(self, status: int) -> None:
        """Answer without a body."""
        await self.send({"type": "http.response.start", "status": status, "headers": []})
        await self.send({"type": "http.response.body", "body": b""})
