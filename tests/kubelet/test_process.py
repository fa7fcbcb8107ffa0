"""A container's process: ready when it says so, restarted when it crashes, gone with its children when it is stopped."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.simulator.kubelet.child import Programs
from harness.simulator.kubelet.launch import Launch
from harness.simulator.kubelet.process import ModelProcess

SERVE = """
import json, os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1] + ".part").write_text(json.dumps({"endpoints": {"api": "http://127.0.0.1:4711", "child": str(child.pid)}}))
os.replace(sys.argv[1] + ".part", sys.argv[1])
time.sleep(600)
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE


class Watched:
    """A process whose steps can be awaited."""

    def __init__(self, folder: Path, program: str) -> None:
        self.steps: list[str] = []
        self._news = asyncio.Event()

        def launch(ready: Path) -> Launch:
            return Launch((sys.executable, "-c", program, str(ready)))

        self.process = ModelProcess(launch, Programs(), folder, folder.parent / "log", self._changed)

    def _changed(self) -> None:
        self.steps.append(self.process.standing.state)
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not holds():
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pod"
    made.mkdir()
    return made


def test_it_runs_when_it_says_so_and_leaves_nothing_behind(folder: Path) -> None:
    async def scenario() -> tuple[int | None, int]:
        watched = Watched(folder, SERVE)
        await watched.until(lambda: watched.process.standing.state == "running")
        port, child = watched.process.standing.port, int(watched.process.standing.endpoints["child"])
        assert psutil.pid_exists(child)
        await watched.process.stop(5)
        psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=60)
        return port, child

    port, child = asyncio.run(scenario())
    assert port == 4711
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert not folder.exists()


def test_one_that_ignores_sigterm_is_killed(folder: Path) -> None:
    async def scenario() -> int:
        watched = Watched(folder, STUBBORN)
        await watched.until(lambda: watched.process.standing.state == "running")
        pid = watched.process.standing.pid
        assert pid is not None
        await watched.process.stop(0.1)
        return pid

    assert not psutil.pid_exists(asyncio.run(scenario()))


def test_a_crash_brings_a_new_process(folder: Path) -> None:
    async def scenario() -> tuple[int, int | None]:
        watched = Watched(folder, SERVE)
        await watched.until(lambda: watched.process.standing.state == "running")
        pid = watched.process.standing.pid
        assert pid is not None
        psutil.Process(pid).kill()
        await watched.until(
            lambda: watched.process.standing.restarts == 1 and watched.process.standing.state == "running"
        )
        assert watched.process.standing.pid != pid
        standing = watched.process.standing
        result = (standing.restarts, standing.exit_code)
        await watched.process.stop(5)
        return result

    assert asyncio.run(scenario()) == (1, -9)


def test_one_that_ends_before_it_is_ready_is_tried_again(folder: Path) -> None:
    async def scenario() -> list[str]:
        watched = Watched(folder, "raise SystemExit(3)")
        await watched.until(lambda: watched.process.standing.restarts >= 2)
        assert watched.process.standing.exit_code == 3
        await watched.process.stop(1)
        return watched.steps

    assert asyncio.run(scenario())[:3] == ["starting", "backoff", "starting"]
