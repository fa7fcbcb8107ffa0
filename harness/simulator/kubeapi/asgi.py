"""The HTTP face of the server: an ASGI application."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from harness.simulator.kubeapi.bodies import LIMIT
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.forwarding import SUBPROTOCOL, Tunnel
from harness.simulator.kubeapi.status import ApiError, UnknownPathError, bad_request, internal, too_large
from harness.simulator.kubeapi.tally import NO_RESOURCE

_log = logging.getLogger("kubeapi")
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
JSON = "application/json"


@dataclass(slots=True)
class Request:
    """One HTTP request, read as far as every handler needs it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    groups: list[str]
    extras: dict[str, list[str]]
    receive: Receive
    warnings: list[str] = field(default_factory=list)
    asked: tuple[str, str, str, str] = NO_RESOURCE

    def flag(self, name: str) -> bool:
        """A boolean parameter; Python clients write `True`, Go clients `true` or `1`."""
        return self.query.get(name, "").lower() in {"true", "1"}

    async def body(self) -> bytes:
        """The whole body. Raises ApiError 413 as soon as it is too large."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise DisconnectedError
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > LIMIT:
                raise too_large(LIMIT)
            if not message.get("more_body"):
                return b"".join(parts)


class DisconnectedError(Exception):
    """The client went away before its request was read."""


@dataclass(slots=True)
class Response:
    """One HTTP answer: bytes at once, or a stream."""

    code: int
    body: bytes = b""
    media: str = JSON
    stream: AsyncIterator[bytes] | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


def json_response(code: int, value: Any) -> Response:
    """A JSON answer."""
    return Response(code, orjson.dumps(value))


Handler = Callable[[Request], Awaitable[Response]]
Forward = Callable[[Request], dict[str, Any]]


def read_request(scope: dict[str, Any], receive: Receive) -> Request:
    """Take a request apart; the last of a repeated header counts, except for impersonated groups and extras."""
    headers: dict[str, str] = {}
    groups: list[str] = []
    extras: dict[str, list[str]] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "impersonate-group":
            groups.append(value)
        elif name.startswith("impersonate-extra-"):
            extras.setdefault(unquote(name[18:]), []).append(value)
        headers[name] = value
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return Request(scope["method"], scope["path"], query, headers, groups, extras, receive)


_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REFUSED = frozenset({400, 401, 403, 422, 500, 503})
"""What is worth a line of the log: conflicts and absent objects are the daily life of controllers."""


def _why(request: Request, response: Response) -> str:
    """The message of a refusal; of Secrets and tokens the reason alone, because messages quote values."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return ""
    private = "/secrets" in request.path or request.path.endswith("/token")
    return str(body.get("reason" if private else "message", "")) if isinstance(body, dict) else ""


class Application:
    """Runs the handler and turns every refusal into a `Status`; nothing a client sends ends in a traceback."""

    def __init__(self, cluster: Cluster, handle: Handler, forward: Forward | None = None) -> None:
        self._cluster = cluster
        self._handle = handle
        self._forward = forward

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        tally = self._cluster.tally
        tally.in_flight += 1
        try:
            await self._http(read_request(scope, receive), receive, send)
        finally:
            tally.in_flight -= 1

    async def _http(self, request: Request, receive: Receive, send: Send) -> None:
        try:
            response = await self._handle(request)
        except UnknownPathError as error:
            response = Response(error.code, error.TEXT.encode(), "text/plain; charset=utf-8")
        except ApiError as error:
            response = json_response(error.code, error.body())
        except DisconnectedError:
            return
        except RecursionError:
            response = json_response(
                400, ApiError(400, "BadRequest", "the body of the request is nested too deeply").body()
            )
        except Exception:  # noqa: BLE001 - the last resort: a fault must not look like a dropped connection
            _log.exception("%s %s failed", request.method, request.path)
            response = json_response(500, internal("the server met a fault of its own; its log has the details").body())
        self._cluster.tally.answered(request.asked, response.code)
        if request.method in _WRITING and response.code in _REFUSED:
            _log.info("refused %s %s: %d %s", request.method, request.path, response.code, _why(request, response))
        await self._send(request, response, receive, send)

    async def _websocket(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        request = read_request({**scope, "method": "GET"}, receive)
        try:
            if self._forward is None or SUBPROTOCOL not in scope.get("subprotocols", ()):
                raise bad_request(f"a WebSocket here carries {SUBPROTOCOL} to pods/portforward, and nothing else")
            pod = self._forward(request)
        except ApiError as error:
            headers = [(b"content-type", JSON.encode())]
            await send({"type": "websocket.http.response.start", "status": error.code, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": orjson.dumps(error.body())})
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        await Tunnel(pod, receive, send).run()

    async def _send(self, request: Request, response: Response, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", response.media.encode()),
            (b"cache-control", b"no-cache, private"),
            *response.headers,
        ]
        headers += [(b"warning", f'299 - "{_quotable(text)}"'.encode()) for text in request.warnings]
        if response.stream is None:
            headers.append((b"content-length", str(len(response.body)).encode()))
            await send({"type": "http.response.start", "status": response.code, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})
            return
        await send({"type": "http.response.start", "status": response.code, "headers": headers})
        await _send_stream(response.stream, receive, send)


async def _send_stream(stream: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Send chunks as they come, and stop as soon as the client has gone: the server would drop what is sent to nobody in silence."""
    task = asyncio.current_task()
    gone = False

    async def until_gone() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        if task is not None:
            task.cancel()

    listener = asyncio.create_task(until_gone())
    try:
        async for chunk in stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except asyncio.CancelledError:
        if not gone:
            raise
    finally:
        listener.cancel()


def _quotable(text: str) -> str:
    safe = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(sign if 32 <= ord(sign) < 127 else "?" for sign in safe)
