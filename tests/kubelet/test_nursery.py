"""Servers forked from a zygote: quick to start, as separate as programs, and never orphaned."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import psutil
import pytest

from harness.simulator.kubelet.child import LOST, Nursery
from harness.simulator.kubelet.launch import MOCK, Launch
from harness.simulator.kubelet.process import ModelProcess


def launch(ready: Path, *more: str) -> Launch:
    arguments = ("serve", "m", "--port", "0", "--admin-port", "0", "--ready-file", str(ready), *more)
    return Launch(arguments, {"MOCK_VLLM_SERVED_MODEL_NAME": "of-the-variable"}, module=MOCK)


def in_nursery(scenario: Callable[[Nursery], Awaitable[None]]) -> None:
    async def run() -> None:
        nursery = Nursery(MOCK)
        await nursery.prepare()
        try:
            await scenario(nursery)
        finally:
            await nursery.close()

    asyncio.run(run())


def parent_of(pid: int) -> psutil.Process:
    found = psutil.Process(pid).parent()
    assert found is not None
    return found


async def models(url: str) -> list[str]:
    answer = await asyncio.to_thread(httpx.get, f"{url}/v1/models")
    return [entry["id"] for entry in answer.json()["data"]]


async def serving(process: ModelProcess) -> None:
    async with asyncio.timeout(60):
        while process.standing.state != "running":  # noqa: ASYNC110 - the test's own process
            await asyncio.sleep(0.005)


def test_each_server_is_a_process_of_its_own_session_with_its_variables_and_log(tmp_path: Path) -> None:
    async def scenario(nursery: Nursery) -> None:
        folders = [tmp_path / name for name in ("a", "b")]
        for folder in folders:
            folder.mkdir()
        processes = [
            ModelProcess(launch, nursery, folder, folder.with_suffix(".log"), lambda: None) for folder in folders
        ]
        for process in processes:
            await serving(process)
        pids = [process.standing.pid or 0 for process in processes]
        urls = {process.standing.endpoints["api"] for process in processes}
        assert len(urls) == 2
        assert parent_of(pids[0]) == parent_of(pids[1])
        for url in urls:
            assert await models(url) == ["of-the-variable"]
        await processes[0].stop(5)
        assert not psutil.pid_exists(pids[0])
        assert await models(processes[1].standing.endpoints["api"]) == ["of-the-variable"]
        await processes[1].stop(5)

    in_nursery(scenario)


def test_a_server_that_refuses_its_options_says_so_in_its_log_and_by_its_exit_code(tmp_path: Path) -> None:
    async def scenario(nursery: Nursery) -> None:
        child = await nursery.start(launch(tmp_path / "ready", "--max-model-len", "none"), tmp_path / "log")
        assert await asyncio.wait_for(child.wait(), 60) == 2

    in_nursery(scenario)
    assert "max-model-len" in (tmp_path / "log").read_text()


def test_a_zygote_that_dies_takes_its_servers_along_and_is_replaced(tmp_path: Path) -> None:
    async def scenario(nursery: Nursery) -> None:
        child = await nursery.start(launch(tmp_path / "ready"), tmp_path / "log")
        server = psutil.Process(child.pid)
        parent_of(child.pid).kill()
        assert await asyncio.wait_for(child.wait(), 60) == LOST
        assert await asyncio.to_thread(psutil.wait_procs, [server], 10) == ([server], [])
        again = await nursery.start(launch(tmp_path / "ready2"), tmp_path / "log")
        assert psutil.pid_exists(again.pid)

    in_nursery(scenario)


@pytest.mark.parametrize("module", [None, "json.tool"])
def test_other_programs_are_started_as_such(tmp_path: Path, module: str | None) -> None:
    async def scenario(nursery: Nursery) -> None:
        wanted = (
            Launch(("/bin/sh", "-c", "exit 3"), module=None) if module is None else Launch(("--nope",), module=module)
        )
        child = await nursery.start(wanted, tmp_path / "log")
        assert await asyncio.wait_for(child.wait(), 60) == (3 if module is None else 2)

    in_nursery(scenario)
