"""How servers are started: as a program of their own, or forked from a zygote that has loaded their code."""

import asyncio
import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Protocol

from harness.simulator.component import die_with_parent
from harness.simulator.kubelet.launch import Launch

log = logging.getLogger(__name__)
LOST = -15


class Child(Protocol):
    """A process that runs."""

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's too."""

    async def wait(self) -> int:
        """Its exit code, negative for a signal, once it has ended."""


class Starter(Protocol):
    """Starts children."""

    async def start(self, launch: Launch, output: Path) -> Child:
        """Start one in a session of its own, with its output appended to a file."""

    async def close(self) -> None:
        """Start none any more."""


def environment(launch: Launch) -> dict[str, str]:
    """A child's variables: ours, the container's, and the wish to end when we do."""
    return {**os.environ, **launch.environment, "MAAS_DIE_WITH_PARENT": "1"}


class Programs:
    """Starts each child as a program."""

    async def start(self, launch: Launch, output: Path) -> Child:
        """See Starter."""
        with output.open("ab") as file:
            child: Child = await asyncio.create_subprocess_exec(
                *launch.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment(launch),
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        return child

    async def close(self) -> None:
        """See Starter."""


class Forked:
    """A child of the zygote."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        """See Child."""
        return self._pid

    async def wait(self) -> int:
        """See Child."""
        return await asyncio.shield(self.ended)


class Nurseries:
    """A nursery for each of several packages; what belongs to none starts as a program."""

    def __init__(self, *packages: str) -> None:
        self._by_package = {package: Nursery(package) for package in packages}
        self._programs = Programs()

    async def prepare(self, package: str) -> None:
        """Have the zygote of one package load its code."""
        await self._by_package[package].prepare()

    async def start(self, launch: Launch, output: Path) -> Child:
        """See Starter."""
        starter: Starter = self._by_package.get(launch.module or "", self._programs)
        return await starter.start(launch, output)

    async def close(self) -> None:
        """See Starter."""
        for nursery in self._by_package.values():
            await nursery.close()


class Nursery:
    """Starts children of one package through a zygote, other programs as such.

    A zygote that dies takes its children along and is replaced with the next start.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._programs = Programs()
        self._zygote: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._children: dict[int, Forked] = {}
        self._starting: dict[int, asyncio.Future[Forked]] = {}
        self._next = 0
        self._lock = asyncio.Lock()

    async def prepare(self) -> None:
        """Have a zygote load the code, so that the first start need not wait for it."""
        async with self._lock:
            await self._living()

    async def start(self, launch: Launch, output: Path) -> Child:
        """See Starter."""
        if launch.module != self._module:
            return await self._programs.start(launch, output)
        async with self._lock:
            zygote = await self._living()
            self._next += 1
            number, started = self._next, asyncio.get_running_loop().create_future()
            self._starting[number] = started
            request = {
                "id": number,
                "arguments": launch.arguments,
                "environment": environment(launch),
                "log": str(output),
            }
            assert zygote.stdin is not None
            zygote.stdin.write(json.dumps(request).encode() + b"\n")
        child: Child = await started
        return child

    async def close(self) -> None:
        """See Starter."""
        zygote, self._zygote = self._zygote, None
        if zygote is not None and zygote.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                zygote.terminate()
            await zygote.wait()
        if self._reader is not None:
            await self._reader

    async def _living(self) -> asyncio.subprocess.Process:
        if self._zygote is None or self._zygote.returncode is not None:
            self._zygote = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-P",
                    "-m",
                    "harness.simulator.kubelet.zygote",
                    self._module,
                ),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
            self._reader = asyncio.create_task(self._read(self._zygote))
        return self._zygote

    async def _read(self, zygote: asyncio.subprocess.Process) -> None:
        assert zygote.stdout is not None
        while line := await zygote.stdout.readline():
            answer = json.loads(line)
            if "id" in answer:
                child = self._children[answer["pid"]] = Forked(answer["pid"])
                self._starting.pop(answer["id"]).set_result(child)
            else:
                self._children.pop(answer["pid"]).ended.set_result(answer["code"])
        if self._zygote is zygote:
            log.warning("the zygote has ended; its servers end with it")
        self._lost()

    def _lost(self) -> None:
        """Nobody can tell how the children of a zygote that has ended end: Linux sends them SIGTERM."""
        for child in self._children.values():
            child.ended.set_result(LOST)
        for started in self._starting.values():
            started.set_exception(OSError("the zygote ended before it started the server"))
        self._children.clear()
        self._starting.clear()
