"""A gateway that accepts and enforces everything at once, for tests of whoever waits for a gateway's word."""

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.condition import Condition, update
from harness.simulator.controllers.runtime.connection import connect
from harness.simulator.controllers.runtime.controller import Manager
from harness.simulator.controllers.runtime.kind import (
    AUTH_POLICY,
    GATEWAY,
    HTTP_ROUTE,
    TOKEN_RATE_LIMIT_POLICY,
    Kind,
)
from harness.simulator.controllers.runtime.manifest import Key, generation, spec, status, timestamp


class _Word:
    """Writes the status that a gateway would."""

    def __init__(self, cluster: Cluster, kind: Kind, double: "GatewayDouble") -> None:
        self._cluster = cluster
        self._kind = kind
        self._double = double

    async def reconcile(self, key: Key) -> float | None:
        found = self._cluster.store(self._kind).get(key)
        if found is None or key in self._double.silent:
            return None
        wanted = status(found) | self._status(found)
        await self._cluster.write_status(self._kind, found, wanted)
        return None

    def _status(self, found: dict[str, Any]) -> dict[str, Any]:
        observed, now = generation(found), timestamp()

        def conditions(before: Any, *names: str) -> list[dict[str, Any]]:
            return update(before, [Condition(name, "True", name, "", observed) for name in names], now)

        before = status(found)
        if self._kind == GATEWAY:
            addresses = [{"type": "IPAddress", "value": "127.0.0.1"}]
            return {
                "conditions": conditions(before.get("conditions"), "Accepted", "Programmed"),
                "addresses": addresses,
            }
        if self._kind == HTTP_ROUTE:
            known = {str(entry["parentRef"]): entry.get("conditions") for entry in before.get("parents") or ()}
            parents = [
                {
                    "parentRef": parent,
                    "controllerName": "test.maas-conformance.dev/gateway",
                    "conditions": conditions(known.get(str(parent)), "Accepted", "ResolvedRefs"),
                }
                for parent in spec(found).get("parentRefs") or ()
            ]
            return {"parents": parents}
        return {"conditions": conditions(before.get("conditions"), "Accepted", "Enforced")}


class GatewayDouble:
    """Runs in a thread of its own; objects whose key is in `silent` get no word."""

    def __init__(self, kubeconfig: Path) -> None:
        self.silent: set[Key] = set()
        self._kubeconfig = kubeconfig
        self._loop = asyncio.new_event_loop()
        self._synced = threading.Event()
        self._manager: Manager | None = None
        self._thread = threading.Thread(target=self._main, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._synced.wait(20), "the gateway double has not synced"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(5)

    def silence(self, key: Key) -> None:
        """Say nothing about this object from now on."""
        self.silent.add(key)

    def speak(self, kind: Kind, key: Key) -> None:
        """Say what is to be said about an object that was silenced."""
        self.silent.discard(key)
        self._loop.call_soon_threadsafe(self._controllers[kind].queue.add, key)

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner, contextlib.suppress(asyncio.CancelledError):
            runner.run(self._run())

    async def _run(self) -> None:
        self._task = asyncio.current_task()
        manager = Manager(Cluster(connect(self._kubeconfig, "gateway-double")), CollectorRegistry())
        self._controllers = {}
        for kind in (GATEWAY, HTTP_ROUTE, AUTH_POLICY, TOKEN_RATE_LIMIT_POLICY):
            controller = manager.add(kind.kind, _Word(manager.cluster, kind, self))
            controller.owns(manager.cluster.informer(kind))
            self._controllers[kind] = controller
        synced = asyncio.Event()
        work = asyncio.create_task(manager.run(synced))
        await synced.wait()
        self._synced.set()
        await work
