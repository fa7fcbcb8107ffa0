"""The limiter's administrative endpoint, from the side of the gateway controller."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

import httpx
import orjson

from harness.simulator.gateway.plan.policies import Limits
from harness.simulator.gateway.plan.telemetry import Labels

LINGER_SECONDS = 60.0
JSON_BODY = {"content-type": "application/json"}


class LimiterUnavailableError(Exception):
    """The limiter did not put the limits in force; the text says what came."""


class LimitsClient:
    """Keeps the limiter's limits as planned. Routes that left the plan keep theirs a while, for responses that are still running."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=2.0, trust_env=False)
        self._instance = ""
        self._sent: dict[str, Any] | None = None
        self._labels: dict[str, Labels] = {}
        self._left: dict[str, tuple[Limits, float]] = {}

    async def put(self, limits: Mapping[str, Limits], labels: Mapping[str, Labels]) -> None:
        """Put the limits in force, and the labels of their metrics; nothing is sent when they are. Raises LimiterUnavailableError."""
        now = time.monotonic()
        for domain, group in (self._sent or {}).get("domains", {}).items():
            if domain not in limits:
                self._left.setdefault(domain, (group, now + LINGER_SECONDS))
        self._left = {name: item for name, item in self._left.items() if name not in limits and item[1] > now}
        domains = {**{name: group for name, (group, _) in self._left.items()}, **limits}
        self._labels = {name: found for name, found in {**self._labels, **labels}.items() if name in domains}
        wanted = {"domains": domains, "labels": self._labels}
        if wanted == self._sent:
            return
        try:
            answer = await self._http.put("/limits", content=orjson.dumps(wanted), headers=JSON_BODY)
        except httpx.HTTPError as error:
            raise LimiterUnavailableError(f"the limiter did not answer PUT /limits: {type(error).__name__}") from error
        if answer.status_code != httpx.codes.OK:
            raise LimiterUnavailableError(
                f"the limiter answered PUT /limits with {answer.status_code}: {answer.text[:200]}"
            )
        self._instance = answer.json()["instance"]
        self._sent = wanted

    @contextlib.asynccontextmanager
    async def presence(self) -> AsyncIterator[Callable[[float], Coroutine[Any, Any, None]]]:
        """A connection to the limiter's process, without a request: what is given returns when it breaks, or after so many seconds.

        The end of a process is so known at once, and a limiter that lives is not asked for it. Raises LimiterUnavailableError.
        """
        url = self._http.base_url
        try:
            reader, writer = await asyncio.open_connection(url.host, url.port or 80)
        except OSError as error:
            raise LimiterUnavailableError(f"nobody listens at {url}: {error.strerror}") from error

        async def ended(seconds: float) -> None:
            with contextlib.suppress(TimeoutError, OSError):
                await asyncio.wait_for(reader.read(1), seconds)

        try:
            yield ended
        finally:
            writer.close()

    async def restarted(self) -> bool:
        """Whether the limiter is another process than the one that has the limits; then they must be sent again."""
        try:
            instance = (await self._http.get("/status")).json()["instance"]
        except (httpx.HTTPError, ValueError, KeyError):
            return False
        if self._sent is not None and instance != self._instance:
            self._sent = None
            return True
        return False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
