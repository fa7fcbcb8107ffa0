"""Several worker processes on one port, and the process above them that joins their journals and metrics.

The kernel spreads connections over the workers (SO_REUSEPORT). Slots and KV-cache blocks are shared out among them evenly. When a worker
ends without being asked, everything ends: half of a server would count half of the truth.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from dataclasses import dataclass
from typing import Any

import msgspec
import uvloop

from mock_vllm.admin.api import Admin
from mock_vllm.metrics.scrape import exposition
from mock_vllm.server.channel import Channel
from mock_vllm.server.control import perform
from mock_vllm.server.fleet import WorkerFleet
from mock_vllm.server.process import Serving, announce, die_with_parent, drain, every_second, open_admin, stop_event
from mock_vllm.server.sockets import bind, tls, url
from mock_vllm.settings import Settings

LOG = logging.getLogger("mock_vllm")


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process and our end of its channel."""

    pid: int
    sock: socket.socket


def supervise(settings: Settings) -> None:
    """Start the workers and serve until SIGTERM, SIGINT or the end of a worker (then exit code 1)."""
    tls(settings)
    # bound, never listening: it reserves the port for the workers and gets no connections itself
    reserved = bind(settings.host, settings.port, shared=True, listening=False)
    share = _share(settings, reserved.getsockname()[1])
    workers = [_fork(share, number) for number in range(settings.workers)]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_supervise(settings, workers, url(reserved, secure=settings.ssl_certfile is not None)))
    for worker in workers:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(worker.pid, 0)
    if code:
        raise SystemExit(code)


def _share(settings: Settings, port: int) -> Settings:
    """What one worker is told."""
    return msgspec.structs.replace(
        settings,
        port=port,
        max_num_seqs=-(-settings.max_num_seqs // settings.workers),
        num_gpu_blocks_override=-(-settings.num_gpu_blocks_override // settings.workers),
    )


def _fork(settings: Settings, number: int) -> Worker:
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        theirs.close()
        return Worker(pid, ours)
    ours.close()
    code = 1
    try:
        die_with_parent()
        if os.getppid() == parent:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_work(settings, theirs))
            code = 0
    except (OSError, ValueError) as error:
        LOG.error("worker %d: %s", number, error)  # noqa: TRY400  # one sentence, no traceback
    finally:
        os._exit(code)  # nothing of the parent's clean-up may run twice


async def _work(settings: Settings, sock: socket.socket) -> None:
    """The life of a worker."""
    stopped = stop_event()
    serving = Serving(settings, bind(settings.host, settings.port, shared=True))
    app = serving.app

    async def answer(operation: str, text: str) -> dict[str, Any]:
        return {} if operation == "ready" else perform(app, operation, text)

    channel = Channel(answer)

    async def scrape() -> str:
        return str((await channel.call("exposition"))["text"])

    app.scrape = scrape
    await serving.begin()
    await channel.connect(sock)
    await stopped.wait()
    await serving.end()


async def _supervise(settings: Settings, workers: list[Worker], api: str) -> int:
    stopped = stop_event()
    channels: list[Channel] = []
    fleet = WorkerFleet(channels)

    async def answer(operation: str, text: str) -> dict[str, Any]:
        del operation, text
        return {"text": exposition(await fleet.call("metrics"))}

    for worker in workers:
        channel = Channel(answer)
        await channel.connect(worker.sock)
        channels.append(channel)
    code = 0
    servers: list[asyncio.Server] = []
    hubs = []
    endpoints = {"api": api}
    try:
        for channel in channels:
            await channel.call("ready")
        if settings.admin_port is not None:
            sock = bind(settings.host, settings.admin_port)
            hubs.append(await open_admin(Admin(fleet, settings.journal_size), sock, servers))
            endpoints["admin"] = url(sock, secure=False)
        chores = asyncio.get_running_loop().create_task(every_second(hubs))
        announce(settings.ready_file, endpoints)
        code = await _until(stopped, channels)
        chores.cancel()
    except ConnectionError:
        code = 1
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGTERM)
    await drain(servers, hubs, 0.1)
    for channel in channels:
        await channel.gone.wait()
    return code


async def _until(stopped: asyncio.Event, channels: list[Channel]) -> int:
    """Wait for a signal (0) or for the end of a worker (1)."""
    waits = [asyncio.create_task(event.wait()) for event in (stopped, *(channel.gone for channel in channels))]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stopped.is_set():
        return 0
    LOG.error("a worker process ended by itself: the server stops")
    return 1
