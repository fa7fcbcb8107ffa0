"""A serving process: its loop, its signals, its end."""

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import uvloop

from mock_vllm.admin.api import Admin
from mock_vllm.app import App
from mock_vllm.engine.clock import make_clock
from mock_vllm.server.fleet import LocalFleet
from mock_vllm.server.sockets import bind, tls, url
from mock_vllm.settings import Settings
from mock_vllm.wire.connection import Connection, Hub, Limits

LOG = logging.getLogger("mock_vllm")
PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """Ask Linux to end this process when its starter dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when a port cannot be had and ValueError when settings contradict each other."""
    if os.environ.get("MAAS_DIE_WITH_PARENT") == "1":
        die_with_parent()
    level = getattr(logging, settings.log_level.upper())
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if settings.workers > 1:
        from mock_vllm.server.supervisor import supervise

        supervise(settings)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_single(settings))


async def _single(settings: Settings) -> None:
    stopped = stop_event()
    serving = Serving(settings, bind(settings.host, settings.port))
    endpoints = {"api": serving.url}
    if settings.admin_port is not None:
        endpoints["admin"] = await serving.offer_admin(bind(settings.host, settings.admin_port))
    await serving.begin()
    LOG.info("serving %s at %s", ", ".join(settings.served_model_name or (settings.model,)), endpoints["api"])
    announce(settings.ready_file, endpoints)
    await stopped.wait()
    await serving.end()


def stop_event() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


class Serving:
    """The application on its socket; to be made inside a running loop."""

    def __init__(self, settings: Settings, sock: socket.socket) -> None:
        self._settings = settings
        self._clock = make_clock(settings.timing_mode)
        self.app = App(settings, self._clock)
        limits = Limits(
            int(settings.max_body_mb * 2**20),
            settings.max_head_bytes,
            settings.timeout_keep_alive,
            settings.timeout_request,
        )
        self._api = Hub(self.app.handle, self.app.ended, self._clock.now, limits, paths=self.app.routes.fixed)
        self._hubs = [self._api]
        self._servers: list[asyncio.Server] = []
        self._sock = sock
        self._tls = tls(settings)
        self.url = url(sock, secure=self._tls is not None)
        self._chores: asyncio.Task[None] | None = None

    async def offer_admin(self, sock: socket.socket) -> str:
        """Open the administrative port; returns its URL."""
        admin = Admin(LocalFleet(self.app), self._settings.journal_size)
        self._hubs.append(await open_admin(admin, sock, self._servers))
        return url(sock, secure=False)

    async def begin(self) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        for hook in self.app.on_start:
            hook()
        self._servers.append(
            await loop.create_server(lambda: Connection(self._api), sock=self._sock, backlog=4096, ssl=self._tls)
        )
        self._chores = loop.create_task(every_second(self._hubs))
        gc.collect()
        gc.freeze()  # what start-up made lives as long as the process: collections need not look at it
        gc.set_threshold(50_000, 20, 50)

    async def end(self) -> None:
        """Take no new connections, let replies under way end for a while, then close what is left."""
        if self._chores is not None:
            self._chores.cancel()
        await drain(self._servers, self._hubs, self._settings.drain_seconds)
        for hook in self.app.on_stop:
            hook()
        self._clock.close()


async def open_admin(admin: Admin, sock: socket.socket, servers: list[asyncio.Server]) -> Hub:
    """Put an administrative endpoint on a socket."""
    loop = asyncio.get_running_loop()
    hub = Hub(admin.handle, admin.ended, loop.time)
    servers.append(await loop.create_server(lambda: Connection(hub), sock=sock))
    return hub


async def every_second(hubs: list[Hub]) -> None:
    """Renew dates, close connections that idle."""
    while True:
        await asyncio.sleep(1.0)
        for hub in hubs:
            hub.heads.refresh()
            hub.sweep()


async def drain(servers: list[asyncio.Server], hubs: list[Hub], seconds: float) -> None:
    """End gracefully within `seconds`."""
    for server in servers:
        server.close()
    for hub in hubs:
        hub.drain()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    # thousands of connections may end here: one poll is cheaper than an event each
    while any(hub.connections for hub in hubs) and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    for hub in hubs:
        for connection in list(hub.connections):
            connection.transport.abort()


def announce(ready_file: str | None, endpoints: dict[str, str]) -> None:
    """Write the endpoints to the ready file in one step, or to standard output without one."""
    text = json.dumps({"pid": os.getpid(), "endpoints": endpoints})
    if ready_file is None:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        return
    target = Path(ready_file)
    temporary = target.with_suffix(f".{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(target)
