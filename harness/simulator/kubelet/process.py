"""A container as a local process: started, announced when ready, restarted when it crashes, ended with its Pod."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.simulator.kubelet.child import Child, Starter
from harness.simulator.kubelet.launch import Launch

State = Literal["starting", "running", "backoff", "ended", "stopped"]
FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 10.0
HEALED_AFTER_S = 10.0
LOOK_S = 0.02
PROBE_S = 0.25


@dataclass(slots=True)
class Standing:
    """What is known of the process now."""

    state: State = "starting"
    endpoints: dict[str, str] = field(default_factory=dict)
    restarts: int = 0
    exit_code: int | None = None
    pid: int | None = None

    @property
    def port(self) -> int | None:
        """The port that serves the model; None while nothing does."""
        url = self.endpoints.get("api") if self.state == "running" else None
        return int(url.rsplit(":", 1)[1]) if url else None


class ModelProcess:
    """Keeps one process alive until `stop`; `changed` is called after each step of its life.

    `restarts`: those before its time. `once`: it is not started again when it has ended (a Pod of a Job).
    """

    def __init__(
        self,
        launch: Callable[[Path], Launch],
        starter: Starter,
        folder: Path,
        log: Path,
        changed: Callable[[], None],
        restarts: int = 0,
        *,
        once: bool = False,
    ) -> None:
        self.standing = Standing(restarts=restarts)
        self._once = once
        self._launch = launch
        self._starter = starter
        self._ready_file = folder / "ready.json"
        self._folder = folder
        self._log = log
        self._changed = changed
        self._start: asyncio.Task[Child] | None = None
        self._process: Child | None = None
        self._stopping = False
        self._born = asyncio.get_running_loop().time()
        self._life = asyncio.get_running_loop().create_task(self._live())

    @property
    def age_s(self) -> float:
        """Seconds since its first start was asked for."""
        return asyncio.get_running_loop().time() - self._born

    async def stop(self, grace_s: float) -> None:
        """End the process and all it started: SIGTERM, and after `grace_s` seconds SIGKILL."""
        self._stopping = True
        if self._start is not None:
            await asyncio.wait({self._start})
        process = self._process
        if process is not None:
            _signal(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), grace_s)
            except TimeoutError:
                _signal(process.pid, signal.SIGKILL)
                await process.wait()
        self._life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._life
        self._ready_file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._folder.rmdir()
        self.standing = Standing("stopped", restarts=self.standing.restarts, exit_code=self.standing.exit_code)

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = FIRST_BACKOFF_S
        while True:
            started = loop.time()
            await self._run_once()
            if self._stopping:
                return
            if self._once:
                self._step("ended")
                return
            if loop.time() - started > HEALED_AFTER_S:
                backoff = FIRST_BACKOFF_S
            self.standing.restarts += 1
            self._step("backoff")
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_S)

    async def _run_once(self) -> None:
        """Start, wait until it serves, wait until it ends."""
        self._ready_file.unlink(missing_ok=True)
        launch = self._launch(self._ready_file)
        process = self._process = await self._started(launch)
        self.standing.pid = process.pid
        self._step("starting")
        serving = asyncio.create_task(self._until_serving(launch))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done() and not ended.done():
                self.standing.endpoints = serving.result()
                self._step("running")
            self.standing.exit_code = await ended
            self._process = None
            _signal(process.pid, signal.SIGKILL)  # what it started must not outlive it
        finally:
            serving.cancel()
            ended.cancel()

    async def _started(self, launch: Launch) -> Child:
        """The child, known to `stop` even when this is cancelled while it starts."""
        self._start = asyncio.get_running_loop().create_task(self._starter.start(launch, self._log))
        self._start.add_done_callback(self._note)
        return await asyncio.shield(self._start)

    def _note(self, start: asyncio.Task[Child]) -> None:
        if not start.cancelled() and start.exception() is None:
            self._process = start.result()

    async def _until_serving(self, launch: Launch) -> dict[str, str]:
        """Endpoints by name, once the server says that it is ready: by its ready file, or by GET /health where it writes none.

        Work that ends by itself is ready at once, and listens nowhere.
        """
        if not launch.serves:
            return {}
        if launch.port is None:
            while not self._ready_file.exists():  # noqa: ASYNC110 - a file cannot be awaited portably
                await asyncio.sleep(LOOK_S)
            endpoints: dict[str, str] = json.loads(self._ready_file.read_text(encoding="utf-8"))["endpoints"]
            return endpoints
        url = f"http://127.0.0.1:{launch.port}"
        while not await asyncio.to_thread(_answers, f"{url}/health"):  # noqa: ASYNC110 - another process's readiness
            await asyncio.sleep(PROBE_S)
        return {"api": url}

    def _step(self, state: State) -> None:
        self.standing.state = state
        if state != "running":
            self.standing.endpoints = {}
        self._changed()


def free_port() -> int:
    """A port that is free now, for servers that must be told theirs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - a loopback http URL of our own making
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
