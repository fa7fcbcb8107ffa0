"""A load generator that is not the bottleneck: asyncio protocols that keep one request under way on each connection."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import httptools
import uvloop


@dataclass
class Tally:
    """What a round saw: replies, errors, latencies in seconds, frames of event streams."""

    replies: int = 0
    errors: int = 0
    frames: int = 0
    latencies: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


class Client(asyncio.Protocol):
    """Sends the next of `requests` as soon as a reply is complete, until `stop`."""

    def __init__(
        self,
        requests: Iterator[bytes],
        tally: Tally,
        stop: Callable[[], bool],
        done: asyncio.Future[None],
        frames: bool,
    ) -> None:
        self.requests, self.tally, self.stop, self.done, self.frames = requests, tally, stop, done, frames
        self.parser = httptools.HttpResponseParser(self)
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.sent = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        if self.frames:
            self.tally.frames += data.count(b"data: ")
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        tally = self.tally
        tally.replies += 1
        if self.parser.get_status_code() != 200:
            tally.errors += 1
        tally.latencies.append(time.perf_counter() - self.sent)
        if self.stop():
            self.transport.close()
        else:
            self.parser = httptools.HttpResponseParser(self)
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def _round(
    address: tuple[str, int], requests: Iterator[bytes], connections: int, seconds: float, frames: bool
) -> tuple[Tally, float]:
    loop = asyncio.get_running_loop()
    tally = Tally()
    begin = time.perf_counter()
    ended = []
    for _ in range(connections):
        done = loop.create_future()
        ended.append(done)
        await loop.create_connection(
            lambda done=done: Client(requests, tally, lambda: time.perf_counter() - begin > seconds, done, frames),
            *address,
        )
    await asyncio.gather(*ended)
    return tally, time.perf_counter() - begin


def drive(
    address: tuple[str, int],
    requests: Sequence[bytes],
    *,
    connections: int = 64,
    seconds: float = 2.0,
    frames: bool = False,
) -> tuple[Tally, float]:
    """One round; returns its tally and how long it took."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_round(address, itertools.cycle(requests), connections, seconds, frames))


def post(path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """An HTTP request as bytes."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
