"""KV events over ZMQ, in vLLM's wire format: what prefix-aware routers listen to.

Each message is (topic, sequence number in 8 bytes, MessagePack of `[time, events, rank]`); an event is an array that starts
with its name: `["BlockStored", hashes, parent, token ids, block size, lora id]`, `["BlockRemoved", hashes]`,
`["AllBlocksCleared"]`. Events of one turn of the event loop go out together. The replay socket answers a first sequence
number with all batches still held from it on, and an end mark of -1.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mock_vllm.app import App
from mock_vllm.routes import Route

if TYPE_CHECKING:
    import zmq

END: Final = (-1).to_bytes(8, "big", signed=True)


class BlockStored(msgspec.Struct, array_like=True, tag=True):
    """New blocks."""

    block_hashes: list[int]
    parent_block_hash: int | None
    token_ids: list[int]
    block_size: int
    lora_id: int | None = None


class BlockRemoved(msgspec.Struct, array_like=True, tag=True):
    """Blocks that gave way."""

    block_hashes: list[int]


class AllBlocksCleared(msgspec.Struct, array_like=True, tag=True):
    """Nothing is cached any more."""


class Batch(msgspec.Struct, array_like=True):
    """Events of one moment of one engine."""

    ts: float
    events: list[BlockStored | BlockRemoved | AllBlocksCleared]
    data_parallel_rank: int | None = None


class Publisher:
    """Listens to one engine's cache and publishes what happens there."""

    def __init__(self, endpoint: str, replay: str | None, topic: str, held: int, rank: int) -> None:
        self._endpoint, self._replay_endpoint = endpoint, replay
        self._topic = topic.encode()
        self._held: deque[tuple[int, bytes]] = deque(maxlen=held)
        self._rank = rank
        self._events: list[BlockStored | BlockRemoved | AllBlocksCleared] = []
        self._next = 0
        self._context: zmq.Context[Any] | None = None

    # --- what the cache tells

    def stored(self, hashes: list[int], parent: int | None, tokens: Sequence[int], block_size: int) -> None:
        """See `CacheListener`."""
        self._add(BlockStored(hashes, parent, list(tokens), block_size))

    def removed(self, hashes: list[int]) -> None:
        """See `CacheListener`."""
        self._add(BlockRemoved(hashes))

    def cleared(self) -> None:
        """See `CacheListener`."""
        self._add(AllBlocksCleared())

    # --- sockets

    def begin(self) -> None:
        """Bind the sockets. Raises ValueError when an endpoint cannot be had or pyzmq is missing."""
        try:
            import zmq
        except ImportError:
            raise ValueError("option --kv-events-endpoint needs the package pyzmq") from None
        self._context = zmq.Context()
        try:
            self._publisher = self._context.socket(zmq.PUB)
            self._publisher.bind(self._endpoint)
            if self._replay_endpoint is not None:
                self._router = self._context.socket(zmq.ROUTER)
                self._router.bind(self._replay_endpoint)
                asyncio.get_running_loop().add_reader(self._router.FD, self._answer)
        except zmq.ZMQError as error:
            raise ValueError(f"option --kv-events-endpoint: cannot bind: {error}") from None

    def end(self) -> None:
        """Close the sockets."""
        if self._context is not None:
            if self._replay_endpoint is not None:
                asyncio.get_running_loop().remove_reader(self._router.FD)
            self._context.destroy(linger=100)

    def _add(self, event: BlockStored | BlockRemoved | AllBlocksCleared) -> None:
        if not self._events:
            asyncio.get_running_loop().call_soon(self._publish)
        self._events.append(event)

    def _publish(self) -> None:
        events, self._events = self._events, []
        data = msgspec.msgpack.encode(Batch(time.time(), events, self._rank))
        number, self._next = self._next, self._next + 1
        self._held.append((number, data))
        self._publisher.send_multipart((self._topic, number.to_bytes(8, "big"), data))

    def _answer(self) -> None:
        """Serve whoever asks for past batches; ZMQ's descriptor only tells of changes, so all that waits is read."""
        import zmq

        while self._router.poll(0, zmq.POLLIN):
            frames = self._router.recv_multipart()
            if len(frames) != 3 or len(frames[2]) != 8:
                continue
            client, start = frames[0], int.from_bytes(frames[2], "big")
            for number, data in self._held:
                if number >= start:
                    self._router.send_multipart((client, b"", number.to_bytes(8, "big"), data))
            self._router.send_multipart((client, b"", END, b""))


def routes(app: App) -> list[Route]:
    """No routes: a publisher for each engine; rank N of several takes its port + N, as vLLM does."""
    settings = app.settings
    if settings.kv_events_endpoint is None:
        return []
    for rank, engine in enumerate(app.base.engines):
        if engine.cache is None:
            raise ValueError("option --kv-events-endpoint needs a KV cache: --num-gpu-blocks-override")
        replay = settings.kv_events_replay_endpoint
        publisher = Publisher(
            _shifted(settings.kv_events_endpoint, rank),
            None if replay is None else _shifted(replay, rank),
            settings.kv_events_topic,
            settings.kv_events_buffer_steps,
            rank,
        )
        engine.cache.listeners.append(publisher)
        app.on_start.append(publisher.begin)
        app.on_stop.append(publisher.end)
    return []


def _shifted(endpoint: str, rank: int) -> str:
    """The endpoint of a rank. Raises ValueError for a TCP endpoint without a port."""
    if rank == 0 or not endpoint.startswith("tcp://"):
        return f"{endpoint}_{rank}" if rank else endpoint
    host, _, port = endpoint.rpartition(":")
    if not port.isdigit():
        raise ValueError(f"option --kv-events-endpoint: expected tcp://HOST:PORT, got {endpoint!r}")
    return f"{host}:{int(port) + rank}"
