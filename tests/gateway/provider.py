"""A provider outside the cluster, as a test plays it: it demands its own key, and answers by OpenAI's or Anthropic's protocol."""

import asyncio
import contextlib
import itertools
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import trustme
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.gateway.doubles import Arrival


@dataclass
class Provider:
    """Answers whoever brings one of its keys. The body's `double` says how much: `prompt`, `tokens`, `cached`, `type` of the content, `padding`."""

    keys: set[str] = field(default_factory=lambda: {"provider-key-1"})
    arrivals: list[Arrival] = field(default_factory=list)

    def app(self) -> Starlette:
        """The application."""
        return Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])

    def of(self, request_id: str) -> Arrival:
        """What arrived under a request id, once."""
        (found,) = [item for item in self.arrivals if item.headers.get("x-request-id") == request_id]
        return found

    async def answer(self, request: Request) -> Response:
        """One answer, in the format of the header that brings the key."""
        raw = await request.body()
        self.arrivals.append(Arrival(request.url.path, dict(request.headers), raw))
        anthropic = "x-api-key" in request.headers
        given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if given not in self.keys:
            return JSONResponse(
                {"error": {"message": f"Incorrect API key provided: {given}"}}, 401, {"WWW-Authenticate": "Bearer"}
            )
        body = json.loads(raw or b"{}")
        told = {"prompt": 5, "tokens": 10, "cached": 0, "type": "application/json", "padding": 0} | (
            body.get("double") or {}
        )
        if body.get("stream"):
            events = messages_events(told) if anthropic else chat_events(told, body.get("stream_options") or {})
            if "after" in told:
                return StreamingResponse(unfinished(events, told["after"]), media_type="text/event-stream")
            text = "".join(events)
            return StreamingResponse(pieces(text.encode(), told.get("pieces", 100_000)), media_type="text/event-stream")
        usage = messages_usage(told) if anthropic else chat_usage(told)
        text = json.dumps({"model": body.get("model"), "content": "x" * told["padding"], "usage": usage})
        return Response(text, media_type=told["type"], headers={"OpenAI-Organization": "org-1", "Set-Cookie": "a=b"})


async def unfinished(events: Iterator[str], number: int) -> Any:
    """The first events of a stream, and then nothing for ever."""
    for event in itertools.islice(events, number):
        yield event.encode()
    await asyncio.Event().wait()


async def pieces(text: bytes, size: int) -> Any:
    """The text in pieces of that many bytes."""
    for at in range(0, len(text), size):
        yield text[at : at + size]
        await asyncio.sleep(0)


def chat_usage(told: dict[str, Any]) -> dict[str, Any]:
    """Usage of a chat completion."""
    total = told["prompt"] + told["tokens"]
    details = {"prompt_tokens_details": {"cached_tokens": told["cached"]}}
    return {"prompt_tokens": told["prompt"], "completion_tokens": told["tokens"], "total_tokens": total, **details}


def messages_usage(told: dict[str, Any]) -> dict[str, Any]:
    """Usage of a message, where tokens of a cache are stated beside those of the input, and once more by their kind."""
    creation = {"ephemeral_5m_input_tokens": told["cached"]}
    return {
        "input_tokens": told["prompt"],
        "cache_creation_input_tokens": told["cached"],
        "cache_creation": creation,
        "cache_read_input_tokens": 0,
        "output_tokens": told["tokens"],
    }


def chat_events(told: dict[str, Any], options: dict[str, Any]) -> Iterator[str]:
    """Events of a chat completion; a provider refuses options that it does not know."""
    assert set(options) <= {"include_usage"}, options
    for _ in range(told["tokens"]):
        chunk = {"choices": [{"index": 0, "delta": {"content": 'w,"usage":{"total_tokens":999}'}}], "usage": None}
        yield f"data: {json.dumps(chunk)}\n\n"
    if options.get("include_usage"):
        yield f"data: {json.dumps({'choices': [], 'usage': chat_usage(told)})}\n\n"
    yield "data: [DONE]\n\n"


def messages_events(told: dict[str, Any]) -> Iterator[str]:
    """Events of a message: what came in is stated first, what went out last."""
    start = {"type": "message_start", "message": {"usage": messages_usage(told) | {"output_tokens": 1}}}
    delta = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": 'w,"usage":{"output_tokens":999}'},
    }
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": told["tokens"]}}
    for event in (start, *[delta] * told["tokens"], end, {"type": "message_stop"}):
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


@contextlib.contextmanager
def listening(provider: Provider, certificate: trustme.LeafCert | None = None) -> Iterator[int]:
    """Serve it on a free port of loopback, with TLS where a certificate is given."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.bind(("127.0.0.1", 0))
    config = uvicorn.Config(provider.app(), log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    config.load()
    if certificate is not None:
        config.ssl = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(config.ssl)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
    thread.start()
    try:
        yield bound.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(5)
