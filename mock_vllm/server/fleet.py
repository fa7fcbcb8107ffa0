"""All serving processes as one: every operation is done in each of them."""

from typing import Any, Protocol

import msgspec

from mock_vllm.app import App
from mock_vllm.journal import Batch
from mock_vllm.server.channel import Channel
from mock_vllm.server.control import perform


class Fleet(Protocol):
    """The processes behind one API port."""

    async def call(self, operation: str, text: str = "") -> list[dict[str, Any]]:
        """Do an operation in every process. Raises ValueError when one of them refuses `text`."""


class LocalFleet:
    """The process that we are."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def call(self, operation: str, text: str = "") -> list[dict[str, Any]]:
        """See `Fleet`."""
        return [perform(self._app, operation, text)]


class WorkerFleet:
    """Worker processes at the other end of channels."""

    def __init__(self, channels: list[Channel]) -> None:
        self._channels = channels

    async def call(self, operation: str, text: str = "") -> list[dict[str, Any]]:
        """See `Fleet`."""
        found = []
        for channel in self._channels:
            reply = await channel.call(operation, text)
            if "error" in reply:
                raise ValueError(reply["error"])
            if "batch" in reply:
                reply["batch"] = msgspec.convert(reply["batch"], Batch)
            found.append(reply)
        return found
