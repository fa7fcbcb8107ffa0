"""From the first list to SIGTERM: how long a manager runs, and when it may say that it does."""

import asyncio
import contextlib
from pathlib import Path

from harness.simulator.component import announce, until_stopped
from harness.simulator.controllers.runtime.controller import Manager


async def run_until_stopped(manager: Manager, ready_file: Path | None, endpoints: dict[str, str]) -> None:
    """Run the manager until SIGTERM or until it fails; announced when memory is complete."""
    synced = asyncio.Event()
    work = asyncio.create_task(manager.run(synced))
    stopped = asyncio.create_task(until_stopped())
    ready = asyncio.create_task(synced.wait())
    try:
        await asyncio.wait({work, stopped, ready}, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            announce(ready_file, endpoints)
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        for task in (work, stopped, ready):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
