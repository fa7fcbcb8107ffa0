"""HTTP clients for webhooks: one for each authority that signs their certificates, with its connections kept open."""

import asyncio
import base64
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.simulator.lasting import kept_open

if TYPE_CHECKING:
    from aiohttp import ClientSession

MOST = 64
"""So many authorities are known at a time; every start of a controller brings a new one."""


@dataclass(slots=True)
class Clients:
    """The clients of one server."""

    _open: dict[str, tuple["ClientSession", asyncio.Task[None]]] = field(default_factory=dict)

    def of(self, bundle: str) -> "ClientSession":
        """The client that believes the authorities of a CA bundle (base64 of PEM; empty: those of the machine)."""
        known = self._open.get(bundle)
        if known is not None and not known[0].closed:
            return known[0]
        client = _opened(bundle)
        self._open[bundle] = client, kept_open(client)
        while len(self._open) > MOST:
            _, keeper = self._open.pop(next(iter(self._open)))
            keeper.cancel()
        return client


def _opened(bundle: str) -> "ClientSession":
    import aiohttp

    context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode() if bundle else None)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=0), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
    )
