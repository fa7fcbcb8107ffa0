"""What the gateway asks its Envoy and its limiter: only what it does not know yet, and the end of a limiter is known at once."""

import asyncio
from pathlib import Path

import pytest

from harness.simulator.gateway.envoy_config.typed import JSON
from harness.simulator.gateway.envoy_files import EnvoyFiles
from harness.simulator.gateway.limits_client import LimiterUnavailableError, LimitsClient

ROUTES: dict[str, JSON] = {"a": {"name": "a", "virtual_hosts": []}}
OTHERS: dict[str, JSON] = {"a": {"name": "a", "virtual_hosts": [{"name": "x", "domains": ["*"]}]}}


class Envoy:
    """Takes each file as soon as it is asked what it has; `asked` counts the questions."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.starts = 1
        self.asked = 0

    async def versions(self) -> dict[str, str]:
        self.asked += 1
        found = {}
        for file, name in (("cds", "cluster_manager.cds.version_text"), ("lds", "listener_manager.lds.version_text")):
            found[name] = version(self.directory / f"{file}.json")
        (routes,) = self.directory.glob("rds-*.json")
        return {**found, "http.a.rds.a.version_text": version(routes)}


def version(path: Path) -> str:
    return path.read_text(encoding="utf-8").split('"')[3]


def test_envoy_is_asked_after_a_change_and_not_without_one(tmp_path: Path) -> None:
    async def scenario() -> list[int]:
        envoy = Envoy(tmp_path)
        files = EnvoyFiles(tmp_path, envoy)  # type: ignore[arg-type]  # of Envoy it needs its versions and its starts
        files.prepare([], ROUTES, {}, {})
        counts = []
        for routes in (ROUTES, ROUTES, OTHERS, OTHERS, ROUTES):
            await files.apply([], routes, {}, {})
            counts.append(envoy.asked)
        envoy.starts += 1
        await files.apply([], ROUTES, {}, {})
        return [*counts, envoy.asked]

    first, again, changed, unchanged, back, restarted = asyncio.run(scenario())
    assert first > 0
    assert again == first
    assert changed > again
    assert unchanged == changed
    assert back > unchanged
    assert restarted > back


def test_the_end_of_a_limiter_is_known_by_its_connection() -> None:
    async def scenario() -> tuple[bool, bool]:
        taken: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(lambda _, writer: taken.set_result(writer), "127.0.0.1", 0)
        limits = LimitsClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with limits.presence() as ended:
            waiting = asyncio.create_task(ended(60.0))
            limiter = await taken
            lives = not waiting.done()
            limiter.close()
            await asyncio.wait_for(waiting, 30)
        server.close()
        await limits.close()
        return lives, waiting.done()

    assert asyncio.run(scenario()) == (True, True)


def test_a_limiter_that_is_not_there_is_unavailable() -> None:
    async def scenario() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        limits = LimitsClient(f"http://127.0.0.1:{port}")
        try:
            async with limits.presence():
                pass
        finally:
            await limits.close()

    with pytest.raises(LimiterUnavailableError, match="nobody listens at http://127"):
        asyncio.run(scenario())
