"""The transport to the Kubernetes API: what it makes of every way in which a server may answer, or not answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from harness.simulator.transport import Transport

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
FIXED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """Answers each request on loopback with the next of these bytes; `None` closes the connection instead."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.ended = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[16:]) for line in head.split(b"\r\n") if line.lower()[:15] == b"content-length:"), 0
                )
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
            else:
                await reader.read()
        self.ended.set()
        writer.close()


@contextlib.asynccontextmanager
async def client_of(server: Answer, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    client = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", transport=Transport(), timeout=20, **options)
    async with client:
        yield client
    listening.close()


def test_a_request_arrives_whole_and_its_answer_too() -> None:
    async def scenario() -> None:
        server = Server(FIXED)
        async with client_of(server) as client:
            answer = await client.patch("/a%20b?c=d", content=b"{}", headers={"X-Mark": "1"})
        assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"hello", "5")
        (request,) = server.requests
        assert request.startswith(b"PATCH /a%20b?c=d HTTP/1.1\r\n")
        assert request.endswith(b"\r\n\r\n{}")
        assert b"\r\nX-Mark: 1\r\n" in request

    asyncio.run(scenario())


def test_one_connection_carries_one_request_after_another() -> None:
    async def scenario() -> None:
        server = Server(FIXED, FIXED, FIXED)
        async with client_of(server) as client:
            answers = [await client.get("/") for _ in range(3)]
        assert [answer.content for answer in answers] == [b"hello"] * 3
        assert server.connections == 1

    asyncio.run(scenario())


def test_requests_of_one_moment_have_connections_of_their_own() -> None:
    async def scenario() -> None:
        server = Server(FIXED, FIXED, FIXED)
        async with client_of(server) as client:
            await asyncio.gather(*(client.get("/") for _ in range(3)))
        assert server.connections == 3

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "first", [FIXED.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), FIXED.replace(b"1.1", b"1.0")]
)
def test_a_connection_that_its_server_gives_up_is_not_used_again(first: bytes) -> None:
    async def scenario() -> None:
        server = Server(first, FIXED)
        async with client_of(server) as client:
            for _ in range(2):
                assert (await client.get("/")).content == b"hello"
        assert server.connections == 2

    asyncio.run(scenario())


def test_a_stream_is_read_as_it_comes() -> None:
    async def scenario() -> list[bytes]:
        told = asyncio.Event()

        async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(CHUNKED + b"3\r\none\r\n")
            await told.wait()
            writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

        pieces: list[bytes] = []
        async with client_of(server) as client, client.stream("GET", "/") as answer:
            async for piece in answer.aiter_raw():
                pieces.append(piece)
                told.set()
        return pieces

    assert asyncio.run(scenario()) == [b"one", b"two"]


def test_a_stream_that_is_read_to_its_end_gives_its_connection_back() -> None:
    async def scenario() -> None:
        server = Server(CHUNKED + b"3\r\none\r\n0\r\n\r\n", FIXED)
        async with client_of(server) as client:
            assert (await client.get("/")).content == b"one"
            assert (await client.get("/")).content == b"hello"
        assert server.connections == 1

    asyncio.run(scenario())


def test_a_stream_that_is_left_ends_its_connection() -> None:
    async def scenario() -> None:
        server = Server(CHUNKED + b"3\r\none\r\n", FIXED)
        async with client_of(server) as client:
            async with client.stream("GET", "/") as answer:
                async for _ in answer.aiter_raw():
                    break
            assert (await client.get("/")).content == b"hello"
        assert server.connections == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "fault", "words"),
    [
        (None, httpx2.ReadError, "broke before the response was complete"),
        (b"SSH-2.0-OpenSSH_9\r\n", httpx2.RemoteProtocolError, "no HTTP response"),
    ],
)
def test_what_is_no_answer_is_a_fault_of_the_transport(
    answer: bytes | None, fault: type[Exception], words: str
) -> None:
    async def scenario() -> None:
        async with client_of(
            Server(answer, answer)
        ) as client:  # what may be asked twice is asked again where a connection ends
            with pytest.raises(fault, match=words):
                await client.get("/")

    asyncio.run(scenario())


@pytest.mark.parametrize("begun", [FIXED[:-1], CHUNKED + b"3\r\none\r\n"])
def test_an_answer_that_breaks_off_is_not_passed_off_as_complete(begun: bytes) -> None:
    async def scenario() -> None:
        async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begun)
            await writer.drain()
            writer.close()

        async with client_of(server) as client:
            with pytest.raises(httpx2.ReadError):
                await client.get("/")

    asyncio.run(scenario())


def test_a_server_that_keeps_silent_is_waited_for_as_long_as_was_said() -> None:
    async def scenario() -> None:
        server = Server(b"", FIXED)
        async with client_of(server) as client:
            with pytest.raises(httpx2.ReadTimeout, match=r"within 0\.05 s"):
                await client.get("/", timeout=0.05)
            await server.ended.wait()

    asyncio.run(scenario())


def test_a_server_that_is_not_there_is_a_connect_error() -> None:
    async def scenario() -> None:
        listening = await asyncio.start_server(Server(), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        listening.close()
        await listening.wait_closed()
        async with httpx2.AsyncClient(transport=Transport()) as client:
            with pytest.raises(httpx2.ConnectError, match=f"127.0.0.1:{port}"):
                await client.get(f"http://127.0.0.1:{port}/")

    asyncio.run(scenario())


def test_a_request_that_is_given_up_leaves_no_answer_for_the_next() -> None:
    async def scenario() -> None:
        server = Server(b"", FIXED)
        async with client_of(server) as client:
            given_up = asyncio.create_task(client.get("/"))
            while not server.requests:  # noqa: ASYNC110 - the server's own list, which grows in this loop
                await asyncio.sleep(0)
            given_up.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await given_up
            assert (await client.get("/")).content == b"hello"
        assert server.connections == 2

    asyncio.run(scenario())


def test_an_interim_response_is_not_the_answer() -> None:
    async def scenario() -> None:
        server = Server(b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" + FIXED)
        async with client_of(server) as client:
            answer = await client.get("/")
        assert (answer.status_code, answer.content) == (200, b"hello")
        assert "x-early" not in answer.headers

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
)
def test_an_answer_without_a_body_is_complete(answer: bytes) -> None:
    async def scenario() -> None:
        server = Server(answer, FIXED)
        async with client_of(server) as client:
            assert (await client.get("/")).content == b""
            assert (await client.get("/")).content == b"hello"
        assert server.connections == 1

    asyncio.run(scenario())
