"""What stands around the gateway in tests: a model server that does as it is told, and maas-api's internal calls."""

import asyncio
import contextlib
import itertools
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

NUMBER = itertools.count()


@contextlib.contextmanager
def served(app: Starlette) -> Iterator[int]:
    """Serve an application on a free port of loopback, in a thread."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    started = threading.Event()

    async def run() -> None:
        task = asyncio.create_task(server.serve(sockets=[listening]))
        started.set()
        await task

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    started.wait()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(5)


@dataclass(frozen=True)
class Arrival:
    """One request as the model server got it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class ModelServer:
    """Answers chat completions. The body's `double` says how:

    `tokens` generated (10), `prompt` tokens (5), `usage` (false: none, or an object to send as it is), `status`, `delay` per event in
    seconds, `pieces` (bytes per write), `body` (a raw body), `type` (its content type), `done` (false: no closing [DONE]), `name`.
    """

    name: str = "one"
    arrivals: list[Arrival] = field(default_factory=list)
    aborted: threading.Event = field(default_factory=threading.Event)

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/health", self.models),
                Route("/{path:path}", self.chat, methods=["POST"]),
            ]
        )

    def of(self, request_id: str) -> list[Arrival]:
        """What arrived under a request id."""
        return [item for item in self.arrivals if item.headers.get("x-request-id") == request_id]

    async def models(self, request: Request) -> Response:
        """The model list."""
        self.arrivals.append(Arrival(request.url.path, dict(request.headers), b""))
        return JSONResponse({"object": "list", "data": [{"id": self.name}], "served_by": self.name})

    async def chat(self, request: Request) -> Response:
        """One completion."""
        raw = await request.body()
        self.arrivals.append(Arrival(request.url.path, dict(request.headers), raw))
        try:
            body = json.loads(raw)
        except ValueError:
            return JSONResponse({"error": {"message": "not JSON", "type": "BadRequestError", "code": 400}}, 400)
        told = body.get("double") or {}
        await asyncio.sleep(told.get("think", 0))
        if "body" in told:
            return Response(told["body"], told.get("status", 200), media_type=told.get("type", "application/json"))
        prompt, tokens = told.get("prompt", 5), told.get("tokens", 10)
        if not body.get("stream"):
            usage = told.get("usage", counted(prompt, tokens))
            answer = {
                "id": "x",
                "choices": [{"index": 0, "message": {"content": "w " * tokens}}],
                "served_by": self.name,
            }
            return JSONResponse(answer | ({"usage": usage} if usage is not False else {}), told.get("status", 200))
        options = body.get("stream_options") or {}
        return StreamingResponse(
            self.stream(told, options, prompt, tokens), media_type="text/event-stream; charset=utf-8"
        )

    async def stream(
        self, told: dict[str, Any], options: dict[str, Any], prompt: int, tokens: int
    ) -> AsyncIterator[bytes]:
        """Server-sent events as vLLM writes them."""
        try:
            for event in events(told, options, prompt, tokens):
                size = told.get("pieces") or len(event)
                for at in range(0, len(event), size):
                    yield event[at : at + size]
                    if told.get("delay") or told.get("pieces"):
                        await asyncio.sleep(told.get("delay", 0))
        except asyncio.CancelledError:
            self.aborted.set()
            raise


def counted(prompt: int, tokens: int) -> dict[str, int]:
    """A usage object."""
    return {"prompt_tokens": prompt, "total_tokens": prompt + tokens, "completion_tokens": tokens}


def events(told: dict[str, Any], options: dict[str, Any], prompt: int, tokens: int) -> Iterator[bytes]:
    """The events of one stream. The text contains what a careless reader would take for usage."""
    for index in range(tokens):
        chunk: dict[str, Any] = {
            "id": "x",
            "choices": [{"index": 0, "delta": {"content": 'ü,"usage":{"total_tokens":999}'}}],
        }
        if options.get("continuous_usage_stats") and told.get("usage", True):
            chunk["usage"] = counted(prompt, index + 1)
        yield b"data: " + json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    if options.get("include_usage") and told.get("usage", True):
        last = {"id": "x", "choices": [], "usage": counted(prompt, tokens)}
        yield b"data: " + json.dumps(last, separators=(",", ":")).encode() + b"\n\n"
    if told.get("done", True):
        yield b"data: [DONE]\n\n"


@dataclass
class ManagementApi:
    """maas-api as the authorizer sees it, and an echo of what the gateway passes to it.

    `keys`: key to the answer of validate. `grants`: (username, model) to the answer of select; `*` for any user.
    """

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    grants: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    broken: dict[str, int] = field(default_factory=dict)

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/internal/v1/api-keys/validate", self.validate, methods=["POST"]),
                Route("/internal/v1/subscriptions/select", self.select, methods=["POST"]),
                Route("/{path:path}", self.echo, methods=["GET", "POST", "DELETE"]),
            ]
        )

    def key(self, user: str, subscription: str = "s1", groups: tuple[str, ...] = ("system:authenticated",)) -> str:
        """A key of a user, bound to a subscription."""
        number = next(NUMBER)
        key = f"sk-oai-{user}-{number}"
        self.keys[key] = {
            "valid": True, "username": user, "userId": f"id-{user}", "keyId": f"id-{number}",
            "groups": list(groups), "subscription": subscription,
        }  # fmt: skip
        return key

    def grant(self, user: str, *models: str, resolved: str, subscription: str = "maas/s1", **more: Any) -> None:
        """Let a user use a model under every name given."""
        namespace, name = subscription.split("/")
        answer = {"accessAllowed": True, "namespace": namespace, "name": name, "resolvedModel": resolved, **more}
        for model in models:
            self.grants[user, model] = answer

    async def validate(self, request: Request) -> Response:
        """POST /internal/v1/api-keys/validate."""
        question = await request.json()
        self.calls.append(("validate", question))
        if "validate" in self.broken:
            return JSONResponse({"valid": True, "username": "mallory", "keyId": "x"}, self.broken["validate"])
        return JSONResponse(self.keys.get(question["key"], {"valid": False, "reason": "key not found"}))

    async def select(self, request: Request) -> Response:
        """POST /internal/v1/subscriptions/select."""
        question = await request.json()
        self.calls.append(("select", question))
        if "select" in self.broken:
            return JSONResponse({"accessAllowed": True}, self.broken["select"])
        for user in (question["username"], "*"):
            if (answer := self.grants.get((user, question["requestedModel"]))) is not None:
                return JSONResponse(answer)
        refused = {
            "accessAllowed": False,
            "error": "model_not_in_subscription",
            "message": "not part of the subscription",
        }
        return JSONResponse(refused)

    async def echo(self, request: Request) -> Response:
        """What the gateway let through."""
        return JSONResponse(
            {"path": request.url.path, "headers": {name: request.headers.getlist(name) for name in request.headers}}
        )
