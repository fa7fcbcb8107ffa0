"""Questions and answers between two processes over a socket pair: MessagePack behind a four-byte length."""

import asyncio
import itertools
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

HEADER: Final = struct.Struct("!I")
Answerer = Callable[[str, str], Awaitable[dict[str, Any]]]


class PeerGoneError(ConnectionError):
    """The other process has ended."""


class Channel:
    """One end. Both ends may ask; `answer` serves the questions of the other."""

    def __init__(self, answer: Answerer) -> None:
        self._answer = answer
        self._numbers = itertools.count(1)
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.gone = asyncio.Event()

    async def connect(self, sock: socket.socket) -> None:
        """Take over one end of a socket pair."""
        self._reader, self._writer = await asyncio.open_connection(sock=sock)
        self._spawn(self._read())

    async def call(self, operation: str, text: str = "") -> dict[str, Any]:
        """Ask the other end. Raises PeerGoneError when it has ended."""
        if self.gone.is_set():
            raise PeerGoneError("the other process has ended")
        number = next(self._numbers)
        future = self._open[number] = asyncio.get_running_loop().create_future()
        self._send({"ask": number, "operation": operation, "text": text})
        reply: dict[str, Any] = await future
        return reply

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    def _send(self, message: dict[str, Any]) -> None:
        data = msgspec.msgpack.encode(message)
        self._writer.write(HEADER.pack(len(data)) + data)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self) -> None:
        try:
            while True:
                (size,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                message = msgspec.msgpack.decode(await self._reader.readexactly(size))
                if "ask" in message:
                    self._spawn(self._reply(message))
                else:
                    self._open.pop(message["to"]).set_result(message["reply"])
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
            for future in self._open.values():
                future.set_exception(PeerGoneError("the other process has ended"))

    async def _reply(self, message: dict[str, Any]) -> None:
        try:
            reply = await self._answer(message["operation"], message["text"])
        except ValueError as error:
            reply = {"error": str(error)}
        self._send({"to": message["ask"], "reply": reply})
