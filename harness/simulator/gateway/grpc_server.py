"""A unary gRPC method on an already listening socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from harness.simulator.gateway.unary import Handler, UnaryConnection


@contextlib.asynccontextmanager
async def grpc_serving(handler: Handler, server_socket: socket.socket) -> AsyncIterator[None]:
    """Answer `handler`'s method for the duration of the block; connections end with GOAWAY."""
    peers: set[UnaryConnection] = set()
    server = await asyncio.get_running_loop().create_server(lambda: UnaryConnection(handler, peers), sock=server_socket)
    try:
        yield
    finally:
        server.close()
        for peer in tuple(peers):
            peer.close()
