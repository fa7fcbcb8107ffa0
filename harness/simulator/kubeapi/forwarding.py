"""`kubectl port-forward` to the process behind a stand-in Pod, over a WebSocket that carries SPDY/3.1."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from harness.simulator.kubeapi.spdy import Data, Event, Opened, Ping, Reset, Session, SpdyError

SUBPROTOCOL = "SPDY/3.1+portforward.k8s.io"
URLS = ("maas-conformance.dev/url", "maas-conformance.dev/admin-url")
_CHUNK = 1 << 16
Json = dict[str, Any]
Receive = Callable[[], Awaitable[Json]]
Send = Callable[[Json], Awaitable[None]]


class NoSuchPortError(Exception):
    """A port that nothing behind the Pod answers on."""


def local_port(pod: Json, asked: int) -> int:
    """The loopback port behind a Pod's port: that of its process for a declared container port, or the process's own.

    Raises NoSuchPortError. Annotations are anybody's to write; so nothing but loopback is ever connected to.
    """
    annotations = pod["metadata"].get("annotations") or {}
    real = [port for url in URLS if (port := _loopback_port(annotations.get(url) or "")) is not None]
    declared = [
        port.get("containerPort")
        for container in pod.get("spec", {}).get("containers") or ()
        for port in container.get("ports") or ()
    ]
    if asked in real:
        return asked
    if asked in declared and real:
        return real[0]
    name = pod["metadata"]["name"]
    raise NoSuchPortError(
        f"no process of pod {name} is behind port {asked}; declared ports: {declared}, listening: {real}"
    )


def _loopback_port(url: str) -> int | None:
    try:
        parts = urlsplit(url)
        return parts.port if parts.hostname in {"127.0.0.1", "::1", "localhost"} else None
    except ValueError:
        return None


@dataclass(slots=True)
class _Link:
    """One forwarded connection: its two streams, its socket once that is open, and what came before it was."""

    port: int
    error: int = 0
    data: int = 0
    writer: asyncio.StreamWriter | None = None
    early: list[Data] = field(default_factory=list)


class Tunnel:
    """All connections of one `port-forward`."""

    def __init__(self, pod: Json, receive: Receive, send: Send) -> None:
        self._pod = pod
        self._receive = receive
        self._send = send
        self._session = Session()
        self._links: dict[str, _Link] = {}
        self._by_stream: dict[int, _Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the client closes, or says something that is no SPDY."""
        try:
            while (message := await self._receive())["type"] != "websocket.disconnect":
                for event in self._session.feed(message.get("bytes") or b""):
                    await self._take(event)
        except SpdyError:
            await self._send({"type": "websocket.close", "code": 1002})
        finally:
            for task in self._tasks:
                task.cancel()
            for link in self._links.values():
                if link.writer is not None:
                    link.writer.close()

    async def _out(self, frame: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": frame})

    async def _take(self, event: Event) -> None:
        match event:
            case Opened():
                await self._open(event)
            case Data():
                self._write(event)
            case Ping():
                await self._out(self._session.pong(event.number))
            case Reset():
                link = self._by_stream.pop(event.stream, None)
                if link is not None and link.writer is not None:
                    link.writer.close()

    async def _open(self, event: Opened) -> None:
        port, kind = event.headers.get("port", ""), event.headers.get("streamtype", "")
        if not port.isdecimal() or len(port) > 5 or kind not in {"error", "data"}:
            await self._out(self._session.reset(event.stream))
            return
        link = self._links.setdefault(event.headers.get("requestid", port), _Link(int(port)))
        await self._out(self._session.reply(event.stream))
        if kind == "error":
            link.error = event.stream
            return
        link.data = event.stream
        self._by_stream[event.stream] = link
        task = asyncio.create_task(self._carry(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _write(self, event: Data) -> None:
        link = self._by_stream.get(event.stream)
        if link is None:
            return
        if link.writer is None:
            link.early.append(event)
            return
        if link.writer.is_closing():
            return
        if event.payload:
            link.writer.write(event.payload)
        if event.fin and link.writer.can_write_eof():
            link.writer.write_eof()

    async def _carry(self, link: _Link) -> None:
        """Connect, then pass on what the process says until it has said everything."""
        try:
            reader, link.writer = await asyncio.open_connection("127.0.0.1", local_port(self._pod, link.port))
        except (OSError, NoSuchPortError) as error:
            await self._out(self._session.data(link.error, f"unable to forward port {link.port}: {error}".encode()))
        else:
            for event in link.early:
                self._write(event)
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(_CHUNK):
                    await self._out(self._session.data(link.data, chunk))
            link.writer.close()
        self._by_stream.pop(link.data, None)
        await self._out(self._session.data(link.error, b"", fin=True))
        await self._out(self._session.data(link.data, b"", fin=True))
