"""The server's application without its sockets: a request is a function call, so thousands of them fit into a test."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from harness.simulator.kubeapi import assembly
from harness.simulator.kubeapi.asgi import Application
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.persistence import Archive
from harness.simulator.kubeapi.router import Router

CRDS = Path(__file__).resolve().parents[2] / "fixtures" / "crds"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: status code, headers and body."""

    code: int
    headers: list[tuple[bytes, bytes]]
    raw: bytes

    @property
    def body(self) -> Any:
        """The body, read as JSON."""
        return orjson.loads(self.raw)


class InProcess:
    """A cluster whose requests are awaited calls."""

    def __init__(self, archive: Archive | None = None, crds: tuple[Path, ...] = ()) -> None:
        self.given = assembly.credentials(archive, "127.0.0.1")
        self.cluster: Cluster = assembly.build(archive, self.given, crds)
        self._application = Application(self.cluster, Router(self.cluster, "127.0.0.1:6443").handle)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: str = "",
        media: str = "application/json",
        headers: dict[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        """One request; a body that is not bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        given = {"authorization": f"Bearer {token or self.given.admin_token}", "content-type": media, **(headers or {})}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
        }
        sent: list[dict[str, Any]] = []
        parts = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if parts:
                return parts.pop()
            await asyncio.Event().wait()  # the client stays until it is answered
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._application(scope, receive, send)
        if not sent:
            raise AssertionError("the request was not answered")
        whole = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], sent[0]["headers"], whole)

    def do(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """One request from code that is not asynchronous."""
        return asyncio.run(self.call(method, path, body, **options))
