"""A reconciler with its queue: keys come in from changes, workers bring each to rest, failures are tried again."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from lightkube import ApiError
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from harness.simulator.controllers.runtime.cluster import AUTHOR, Cluster
from harness.simulator.controllers.runtime.informer import Informer
from harness.simulator.controllers.runtime.manifest import Key
from harness.simulator.controllers.runtime.queue import WorkQueue
from harness.simulator.controllers.runtime.store import Change

log = logging.getLogger(__name__)
RESYNC_S = 300.0


class Reconciler(Protocol):
    """Brings one object to rest."""

    async def reconcile(self, key: Key) -> float | None:
        """Make the world as the object wants it; returns seconds after which to look again, None for never.

        Raises anything: the key is tried again later.
        """


class Metrics:
    """What controller-runtime exposes, under its names, so that existing dashboards read ours."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.total = Counter(
            "controller_runtime_reconcile", "Reconciliations by result", ("controller", "result"), registry=registry
        )
        self.duration = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Length of a reconciliation",
            ("controller",),
            registry=registry,
        )
        self.depth = Gauge("workqueue_depth", "Keys that wait", ("name",), registry=registry)


class Controller:
    """Runs a reconciler for the keys that changes name.

    With `echoes` off, what a reconciliation wrote does not bring its own key back: for those that leave nothing to do after a write.
    """

    def __init__(
        self, name: str, reconciler: Reconciler, metrics: Metrics, workers: int = 4, *, echoes: bool = True
    ) -> None:
        self.name = name
        self._echoes = echoes
        self.queue: WorkQueue[Key] = WorkQueue()
        self._reconciler = reconciler
        self._workers = workers
        self._metrics = metrics
        self._primary: Informer | None = None
        metrics.depth.labels(name).set_function(lambda: len(self.queue))

    def owns(self, informer: Informer) -> None:
        """Work on every object of this kind: on each change and, against lost news, every five minutes."""
        self._primary = informer
        self.follows(informer, lambda change: [_key(change)])

    def follows(self, informer: Informer, keys: Callable[[Change], Iterable[Key]]) -> None:
        """Work on the keys that a change of another kind names."""

        def enqueue(change: Change) -> None:
            for key in keys(change):
                if change.author is None or change.author != (self.name, key):
                    self.queue.add(key)

        informer.subscribe(enqueue)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
                group.create_task(self._resync())
        finally:
            self.queue.close()

    async def _work(self) -> None:
        while True:
            key = await self.queue.take()
            started = time.perf_counter()
            try:
                result = await self._attempt(key)
            finally:
                self.queue.done(key)
            self._metrics.duration.labels(self.name).observe(time.perf_counter() - started)
            self._metrics.total.labels(self.name, result).inc()

    async def _attempt(self, key: Key) -> str:
        AUTHOR.set(None if self._echoes else (self.name, key))
        try:
            again = await self._reconciler.reconcile(key)
        except Exception as error:
            conflict = isinstance(error, ApiError) and error.status.code == 409
            pause = self.queue.retry(key)
            level = logging.DEBUG if conflict else logging.WARNING
            log.log(level, "%s %s: %s: %s; again in %.2f s", self.name, key, type(error).__name__, error, pause)
            if not isinstance(error, (ApiError, OSError, TimeoutError)):
                log.debug("%s %s", self.name, key, exc_info=error)
            return "error"
        self.queue.forgive(key)
        if again is not None:
            self.queue.add_after(key, again)
            return "requeue_after"
        return "success"

    async def _resync(self) -> None:
        while self._primary is not None:
            await asyncio.sleep(RESYNC_S)
            for manifest in self._primary.store.all():
                metadata = manifest["metadata"]
                self.queue.add(Key(metadata.get("namespace") or "", metadata["name"]))


def _key(change: Change) -> Key:
    metadata = change.latest["metadata"]
    return Key(metadata.get("namespace") or "", metadata["name"])


class Manager:
    """Informers first, then all controllers, in one event loop."""

    def __init__(self, cluster: Cluster, registry: CollectorRegistry) -> None:
        self.cluster = cluster
        self.metrics = Metrics(registry)
        self._controllers: list[Controller] = []

    def add(self, name: str, reconciler: Reconciler, workers: int = 4, *, echoes: bool = True) -> Controller:
        """A new controller, started by `run`."""
        controller = Controller(name, reconciler, self.metrics, workers, echoes=echoes)
        self._controllers.append(controller)
        return controller

    async def run(self, synced: asyncio.Event) -> None:
        """Run until cancelled; `synced` is set when memory is complete and the workers are about to start."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cluster.run(synced))
            await synced.wait()
            for controller in self._controllers:
                group.create_task(controller.run())
