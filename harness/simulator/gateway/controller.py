"""The gateway controller: follows the objects, tells Envoy and the limiter, and says in statuses what is in force."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from harness.simulator.gateway.certificates import Certificates
from harness.simulator.gateway.envoy_config.filters import USUAL, Guarding
from harness.simulator.gateway.envoy_config.listeners import ListenerConfig, listener
from harness.simulator.gateway.envoy_config.typed import JSON
from harness.simulator.gateway.envoy_files import EnvoyFiles, NotAcknowledgedError, routes_file
from harness.simulator.gateway.limits_client import LimiterUnavailableError, LimitsClient
from harness.simulator.gateway.plan.gatewayapi import Key
from harness.simulator.gateway.plan.memory import Memory
from harness.simulator.gateway.plan.plan import Endpoint, Plan, PlannedListener, listened_for, make_plan
from harness.simulator.gateway.plan.snapshot import Snapshot
from harness.simulator.gateway.ports import Ports
from harness.simulator.gateway.statuses import Statuses
from harness.simulator.gateway.watch import Cluster

LOG = logging.getLogger("gateway")
COALESCE_SECONDS = 0.01
LONGEST_COALESCE_SECONDS = 0.15
"""Where applying takes long, because there are many routes, changes are collected for half as long, up to this."""
RETRY_SECONDS = 0.3
LIMITER_LOOK_SECONDS, LIMITER_RETRY_SECONDS = 3.0, 0.03
"""How often the limiter is asked which process it is while its connection stands, and how soon another one is tried when it broke."""
ACCESS_LOG = "access.log"


class Controller:
    """One Envoy, one limiter, the objects of one cluster."""

    def __init__(
        self,
        directory: Path,
        ports: Ports,
        advertised: Mapping[Endpoint, str],
        cluster: Cluster,
        files: EnvoyFiles,
        limiter: LimitsClient,
        statuses: Statuses,
        guarding: Guarding = USUAL,
    ) -> None:
        self._guarding = guarding
        self._directory = directory
        self._ports = ports
        self._advertised = advertised
        self._cluster = cluster
        self._files = files
        self._limiter = limiter
        self._statuses = statuses
        self._certificates = Certificates(directory)
        self._governed: frozenset[Key] = frozenset()
        self._memory = Memory()

    def prepare(self) -> None:
        """Write the first configuration, before Envoy starts."""
        snapshot = self._cluster.snapshot()
        plan = self._plan(snapshot)
        self._files.prepare(*self._rendered(plan, snapshot), plan.clusters, plan.provider_keys)

    async def follow(self) -> None:
        """Apply every change; never returns. Changes of one moment are applied together."""
        self._cluster.dirty.set()
        took = 0.0
        while True:
            await self._cluster.dirty.wait()
            await asyncio.sleep(min(max(COALESCE_SECONDS, took / 2), LONGEST_COALESCE_SECONDS))
            self._cluster.dirty.clear()
            started = time.perf_counter()
            try:
                await self.apply()
            except (NotAcknowledgedError, LimiterUnavailableError) as error:
                LOG.error("not in force: %s", error)  # noqa: TRY400  one line an event
                await asyncio.sleep(RETRY_SECONDS)
                self._cluster.dirty.set()
            took = time.perf_counter() - started

    async def apply(self) -> None:
        """Bring limiter and Envoy to the objects of this moment, then write the statuses."""
        started = time.perf_counter()
        snapshot, plan = await self.enforce()
        acknowledged = time.perf_counter()
        await self._statuses.write(plan, snapshot, self.urls(plan))
        LOG.info(
            "in force: %d routes after %.0f ms, statuses after %.0f ms more",
            len(snapshot.routes),
            (acknowledged - started) * 1000,
            (time.perf_counter() - acknowledged) * 1000,
        )

    async def enforce(self) -> tuple[Snapshot, Plan]:
        """Limits first, then routes, so that no route is open before its limits are. Raises when either does not acknowledge."""
        snapshot = self._cluster.snapshot()
        plan = self._plan(snapshot)
        await self._limiter.put(plan.limits, plan.labels)
        await self._files.apply(*self._rendered(plan, snapshot), plan.clusters, plan.provider_keys)
        self._ports.release(item.endpoint for item in plan.listeners)
        return snapshot, plan

    def urls(self, plan: Plan) -> dict[Endpoint, str]:
        """Where callers reach each listener of a plan."""
        found = {
            item.endpoint: f"{scheme(item)}://{host_port(self._ports.addresses[item.endpoint])}"
            for item in plan.listeners
        }
        return found | dict(self._advertised)

    async def watch_limiter(self) -> None:
        """A limiter that was started anew has no limits, and denies; send them again. Never returns."""
        while True:
            with contextlib.suppress(LimiterUnavailableError):
                async with self._limiter.presence() as ended:
                    if await self._limiter.restarted():
                        LOG.warning("the limiter was started anew; sending the limits again")
                        self._cluster.dirty.set()
                    await ended(LIMITER_LOOK_SECONDS)
            await asyncio.sleep(LIMITER_RETRY_SECONDS)

    def _plan(self, snapshot: Snapshot) -> Plan:
        plan = make_plan(snapshot, self._ports.admit(listened_for(snapshot)), self._governed, self._memory)
        self._governed = plan.governed
        return plan

    def _rendered(self, plan: Plan, snapshot: Snapshot) -> tuple[list[JSON], dict[str, JSON]]:
        listeners = [self._listener(item, snapshot) for item in plan.listeners]
        return listeners, {item.name: item.routes for item in plan.listeners}

    def _listener(self, item: PlannedListener, snapshot: Snapshot) -> JSON:
        host, port = self._ports.addresses[item.endpoint]
        certificate = None
        if is_https(item):
            certificate = self._certificates.files(item.name, host, item.listener, snapshot) if item.listener else None
        config = ListenerConfig(item.name, host, port, item.hosting.governed, certificate, self._guarding)
        return listener(config, self._directory / routes_file(item.name), self._directory / ACCESS_LOG)


def is_https(item: PlannedListener) -> bool:
    """Whether the Gateway says HTTPS for this listener."""
    return item.listener is not None and item.listener.protocol == "HTTPS"


def scheme(item: PlannedListener) -> str:
    """What a client writes in front of the address; before the Gateway exists, its listener's name says it."""
    if item.listener is not None:
        return "https" if is_https(item) else "http"
    return "https" if item.endpoint[2].startswith("https") else "http"


def host_port(where: tuple[str, int]) -> str:
    """An address in a URL."""
    host, port = where
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
