"""Bounds of a connection, with bounds short enough to be passed in a test."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from harness.simulator.component import listen
from harness.simulator.maas_api.connection import BoundedConnection, Bounds

pytestmark = [pytest.mark.anyio, pytest.mark.row("MAAS-API-011")]
HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Short(BoundedConnection):
    """A tenth of a second for each step."""

    bounds = Bounds(head_s=0.1, request_s=0.2, answer_s=0.1, head_bytes=2000)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body once it is complete; `/slow` never answers."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.Event().wait()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


async def exchange(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], protocol: type = Short
) -> None:
    """Let a client talk to a server with that connection class."""
    bound = listen("127.0.0.1", 0)
    config = uvicorn.Config(echo, http=protocol, log_config=None, lifespan="off", access_log=False)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([bound])
    reader, writer = await asyncio.open_connection(*bound.getsockname())
    try:
        await talk(reader, writer)
    finally:
        writer.close()
        server.force_exit = True
        for task in server.server_state.tasks:
            task.cancel()
        await server.shutdown([bound])


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What came until the server closed."""
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionResetError:
        return b""


def test_the_usual_bounds() -> None:
    assert BoundedConnection.bounds == Bounds(head_s=5.0, request_s=15.0, answer_s=30.0, head_bytes=1 << 20)


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost:"])
async def test_a_head_that_does_not_come_ends_the_connection(start: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        assert await closed(reader) == b""

    await exchange(talk)


async def test_bytes_that_trickle_in_do_not_move_the_bound() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def trickle() -> None:
            for byte in itertools.chain(b"GET / HTTP/1.1\r\nX-Slow: ", itertools.repeat(ord("a"))):
                writer.write(bytes([byte]))
                await asyncio.sleep(
                    0.08
                )  # below the bound of a head, and too seldom to make it too large within the wait

        trickling = asyncio.create_task(trickle())
        try:
            assert await closed(reader) == b""
        finally:
            trickling.cancel()

    await exchange(talk)


async def test_a_body_that_does_not_come_ends_the_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"ab")
        assert await closed(reader) == b""

    await exchange(talk)


async def test_an_answer_that_does_not_come_ends_the_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD.replace(b"/x", b"/slow") + b"abcd")
        assert await closed(reader) == b""

    await exchange(talk)


async def test_a_head_that_is_too_large_ends_the_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nX-Large: " + b"a" * 3000 + b"\r\n\r\n")
        assert await closed(reader) == b""

    await exchange(talk)


async def test_a_connection_serves_many_requests_and_may_idle_between_them() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for pause in (0.0, 0.3, 0.0):
            await asyncio.sleep(pause)
            writer.write(HEAD + b"abcd")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            assert head.startswith(b"HTTP/1.1 200")
            assert await asyncio.wait_for(reader.readexactly(4), 60) == b"abcd"

    await exchange(talk)


async def test_a_large_body_does_not_count_as_a_head() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(HEAD.replace(b": 4", b": 9000") + b"a" * 9000)
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            assert await asyncio.wait_for(reader.readexactly(9000), 60) == b"a" * 9000

    await exchange(talk)
