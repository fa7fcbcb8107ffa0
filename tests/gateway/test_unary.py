"""The raw HTTP/2 server against grpcio, the conformance reference, and against peers that break the protocol."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable

import grpc
import grpc.aio
import pytest

from harness.simulator import component
from harness.simulator.gateway.grpc_server import grpc_serving
from harness.simulator.gateway.unary import (
    GOAWAY,
    MAX_MESSAGE,
    PING,
    PREFACE,
    PROTOCOL_ERROR,
    UNAVAILABLE,
    GrpcError,
    Handler,
    frame,
)

METHOD = "/any.Service/Method"


@contextlib.asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    listening = component.listen("127.0.0.1", 0)
    async with grpc_serving(handler, listening):
        yield component.address(listening)


async def call(address: str, *messages: bytes) -> list[bytes]:
    async with grpc.aio.insecure_channel(address) as channel:
        method = channel.unary_unary(METHOD)
        return list(await asyncio.gather(*(method(message, timeout=60) for message in messages)))


def test_answers_a_real_grpc_client_also_many_at_once() -> None:
    async def scenario() -> list[bytes]:
        async with server(lambda message: message[::-1]) as address:
            return await call(address, *(b"%d" % number for number in range(500)))

    assert asyncio.run(scenario()) == [(b"%d" % number)[::-1] for number in range(500)]


def test_awaits_answers_that_come_later_and_keeps_calls_apart() -> None:
    async def scenario() -> list[bytes]:
        gate = asyncio.Event()

        async def later(message: bytes) -> bytes:
            await gate.wait()
            return message

        def handler(message: bytes) -> bytes | Awaitable[bytes]:
            if message == b"open":
                gate.set()
                return b"opened"
            return later(message)

        async with server(handler) as address:
            return await call(address, b"first", b"second", b"open")

    assert asyncio.run(scenario()) == [b"first", b"second", b"opened"]


def test_messages_larger_than_a_frame_arrive_whole() -> None:
    async def scenario() -> bytes:
        async with server(lambda message: struct.pack(">I", len(message))) as address:
            return (await call(address, b"x" * 3_000_000))[0]

    assert struct.unpack(">I", asyncio.run(scenario())) == (3_000_000,)


def test_traffic_far_beyond_the_connection_window_keeps_flowing() -> None:
    async def scenario() -> int:
        async with server(lambda message: message[:1000]) as address, grpc.aio.insecure_channel(address) as channel:
            method = channel.unary_unary(METHOD)
            total = 0
            for _ in range(400):
                total += len(await method(b"y" * 1000, timeout=60))
            return total

    assert asyncio.run(scenario()) == 400_000


@pytest.mark.parametrize("later", [False, True])
def test_an_error_reaches_the_client_as_a_grpc_status(later: bool) -> None:
    async def fail() -> bytes:
        raise GrpcError(UNAVAILABLE, "no limits are known")

    def handler(_message: bytes) -> bytes | Awaitable[bytes]:
        if later:
            return fail()
        raise GrpcError(UNAVAILABLE, "no limits are known")

    async def scenario() -> grpc.aio.AioRpcError:
        async with server(handler) as address:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(address, b"x")
            return caught.value

    error = asyncio.run(scenario())
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "no limits are known")


def test_a_message_above_the_limit_is_refused_and_the_connection_lives_on() -> None:
    async def scenario() -> tuple[grpc.StatusCode, bytes]:
        options = [("grpc.max_send_message_length", -1)]
        async with (
            server(lambda message: message) as address,
            grpc.aio.insecure_channel(address, options=options) as channel,
        ):
            method = channel.unary_unary(METHOD)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await method(b"x" * (MAX_MESSAGE + 100), timeout=10)
            return caught.value.code(), await method(b"still here", timeout=60)

    code, answer = asyncio.run(scenario())
    assert (code, answer) == (grpc.StatusCode.RESOURCE_EXHAUSTED, b"still here")


def test_a_cancelled_call_cancels_its_handler() -> None:
    async def scenario() -> bool:
        cancelled = asyncio.Event()
        started = asyncio.Event()

        async def forever() -> bytes:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            return b""

        async with server(lambda _message: forever()) as address, grpc.aio.insecure_channel(address) as channel:
            pending = channel.unary_unary(METHOD)(b"x")
            waiting = asyncio.ensure_future(pending)
            await asyncio.wait_for(started.wait(), 60)
            pending.cancel()
            await asyncio.wait_for(cancelled.wait(), 60)
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
            return True

    assert asyncio.run(scenario())


def test_calls_of_one_connection_are_handled_in_the_order_they_were_sent() -> None:
    seen: list[bytes] = []

    def handler(message: bytes) -> bytes:
        seen.append(message)
        return b""

    async def scenario() -> None:
        async with server(handler) as address:
            host, port = address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            request = b"".join(
                frame(1, 0x4, 2 * number + 1, b"\x82")
                + frame(0, 1, 2 * number + 1, struct.pack(">BI", 0, 2) + b"%02d" % number)
                for number in range(50)
            )
            writer.write(PREFACE + frame(4, 0, 0) + request + frame(PING, 0, 0, b"12345678"))
            answer = b""
            while b"12345678" not in answer:
                answer += await asyncio.wait_for(reader.read(65536), 60)
            writer.close()

    asyncio.run(scenario())
    assert seen == [b"%02d" % number for number in range(50)]


@pytest.mark.parametrize(
    "bytes_in",
    [b"GET / HTTP/1.1\r\n\r\n", PREFACE + frame(1, 0x5, 2, b"\x82"), PREFACE + struct.pack(">BHBBI", 2, 0, 0, 0, 1)],
    ids=["not HTTP/2", "even stream", "frame too large"],
)
def test_a_peer_that_breaks_the_protocol_gets_goaway_and_is_closed(bytes_in: bytes) -> None:
    async def scenario() -> bytes:
        async with server(lambda message: message) as address:
            host, port = address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(bytes_in)
            answer = await asyncio.wait_for(reader.read(), 60)
            writer.close()
            return answer

    assert bytes([GOAWAY, 0, 0, 0, 0, 0]) in asyncio.run(scenario())
    assert PROTOCOL_ERROR == 1


def test_an_answer_waits_for_the_connection_window_of_the_client() -> None:
    async def scenario() -> tuple[int, int]:
        async with server(lambda _message: b"z" * 10_000) as address:
            host, port = address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            calls = b"".join(
                frame(1, 0x4, n, b"\x82") + frame(0, 1, n, struct.pack(">BI", 0, 0)) for n in range(1, 17, 2)
            )
            writer.write(PREFACE + frame(4, 0, 0) + calls + frame(PING, 0, 0, b"firstPNG"))
            before = b""
            while b"firstPNG" not in before:
                before += await asyncio.wait_for(reader.read(65536), 60)
            writer.write(frame(8, 0, 0, struct.pack(">I", 100_000)) + frame(PING, 0, 0, b"otherPNG"))
            after = b""
            while b"otherPNG" not in after:
                after += await asyncio.wait_for(reader.read(65536), 60)
            writer.close()
            return before.count(b"z"), after.count(b"z")

    assert asyncio.run(scenario()) == (60_000, 20_000)


def test_the_server_says_goodbye_when_it_stops() -> None:
    async def scenario() -> bytes:
        async with server(lambda message: message) as address:
            host, port = address.split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(PREFACE + frame(4, 0, 0) + frame(PING, 0, 0, b"12345678"))
            seen = b""
            while b"12345678" not in seen:
                seen += await reader.read(65536)
        rest = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        return rest

    assert asyncio.run(scenario()).startswith(struct.pack(">BHB", 0, 8, GOAWAY))


def test_listening_sockets_do_not_wait_for_nagle() -> None:
    listening = component.listen("127.0.0.1", 0)
    try:
        assert listening.proto == socket.IPPROTO_TCP
    finally:
        listening.close()
