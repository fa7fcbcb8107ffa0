"""HTTP sessions that last as long as their event loop, so that nobody has to remember to close them."""

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import ClientSession


def kept_open(session: "ClientSession") -> asyncio.Task[None]:
    """A task that closes the session when it is cancelled, as a loop that ends does with all its tasks; keep a reference to it."""
    return asyncio.create_task(_keep(session))


async def _keep(session: "ClientSession") -> None:
    async with session:
        await asyncio.Event().wait()
