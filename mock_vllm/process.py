"""The server process: sockets, signals, ready file."""

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
from mock_vllm.settings import Settings
from mock_vllm.wire.connection import Connection, Hub, Limits

LOG = logging.getLogger("mock_vllm")
PR_SET_PDEATHSIG: Final = 1
DRAIN_S: Final = 1.5


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError when a port cannot be had."""
    if os.environ.get("MAAS_DIE_WITH_PARENT") == "1" and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError with host and port in its text."""
    server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((host, port))
    except OSError as error:
        server.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    server.listen(4096)
    server.setblocking(False)
    return server


def url(server: socket.socket) -> str:
    """Where clients reach a listening socket."""
    host, port = server.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _serve(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    clock = make_clock(settings.timing_mode)
    app = App(settings, clock)
    limits = Limits(
        int(settings.max_body_mb * 2**20),
        settings.max_head_bytes,
        settings.timeout_keep_alive,
        settings.timeout_request,
    )
    hub = Hub(app.handle, app.ended, clock.now, limits, paths=app.routes.fixed)
    sockets = {"api": listen(settings.host, settings.port)}
    servers = [await loop.create_server(lambda: Connection(hub), sock=sockets["api"], backlog=4096)]
    hubs = [hub]
    if settings.admin_port is not None:
        admin = Admin(app)
        hubs.append(Hub(admin.handle, admin.ended, clock.now))
        sockets["admin"] = listen(settings.host, settings.admin_port)
        servers.append(await loop.create_server(lambda: Connection(hubs[1]), sock=sockets["admin"]))
    for begin in app.on_start:
        begin()
    gc.freeze()
    announce(settings.ready_file, {name: url(sock) for name, sock in sockets.items()})
    housekeeping = loop.create_task(_every_second(hubs))
    await stopped.wait()
    housekeeping.cancel()
    await _drain(servers, hubs)
    for end in app.on_stop:
        end()
    clock.close()


async def _every_second(hubs: list[Hub]) -> None:
    while True:
        await asyncio.sleep(1.0)
        for hub in hubs:
            hub.heads.refresh()
            hub.sweep()


async def _drain(servers: list[asyncio.Server], hubs: list[Hub]) -> None:
    """Take no new connections, let replies under way end for a while, then close what is left."""
    for server in servers:
        server.close()
    for hub in hubs:
        hub.drain()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_S
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
