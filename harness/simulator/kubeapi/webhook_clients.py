"""HTTP clients for webhooks: one for each authority that signs their certificates, with its connections kept open."""

import asyncio
import base64
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import ClientSession

MOST = 64
"""So many authorities are known at a time; every start of a controller brings a new one."""


@dataclass(slots=True)
class Clients:
    """The clients of one server."""

    _open: dict[str, "_Held"] = field(default_factory=dict)

    def of(self, bundle: str) -> "ClientSession":
        """The client that believes the authorities of a CA bundle (base64 of PEM; empty: those of the machine)."""
        held = self._open.get(bundle)
        if held is None or held.client.closed:
            held = self._open[bundle] = _Held(_opened(bundle))
            while len(self._open) > MOST:
                self._open.pop(next(iter(self._open))).keeper.cancel()
        return held.client


class _Held:
    """A client that a task holds open until the event loop ends, so that nobody has to remember to close it."""

    def __init__(self, client: "ClientSession") -> None:
        self.client = client
        self.keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        async with self.client:
            await asyncio.Event().wait()


def _opened(bundle: str) -> "ClientSession":
    import aiohttp

    context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode() if bundle else None)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=0), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
    )
