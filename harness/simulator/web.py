"""Serve a small ASGI application on an already listening socket, inside a process that handles signals itself."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp


class QuietServer(uvicorn.Server):
    """uvicorn without signal handlers: `component.until_stopped` owns SIGTERM and SIGINT."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, server_socket: socket.socket, certificate: tuple[Path, Path] | None = None
) -> AsyncIterator[None]:
    """Serve `app` for the duration of the block; with `certificate` (PEM files of chain and key) by HTTPS."""
    chain, key = certificate or (None, None)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        ssl_certfile=chain,
        ssl_keyfile=key,
    )
    server = QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[server_socket]))
    try:
        yield
    finally:
        server.should_exit = True
        await task
