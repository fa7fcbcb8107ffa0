"""The kubelet stand-in's three reconcilers: Deployments make Pods, Pods make processes, Services make EndpointSlices."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from lightkube import ApiError

from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.controller import Controller, Manager
from harness.simulator.controllers.runtime.kind import DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE
from harness.simulator.controllers.runtime.manifest import (
    Key,
    Manifest,
    is_deleting,
    key_of,
    labels,
    spec,
    status,
    timestamp,
)
from harness.simulator.controllers.runtime.store import Change
from harness.simulator.kubelet.child import Starter
from harness.simulator.kubelet.endpoints import MANAGER, MANAGER_LABEL, SERVICE_LABEL, endpoint_slice, selects
from harness.simulator.kubelet.job import batch
from harness.simulator.kubelet.launch import Launch, UnrunnableError
from harness.simulator.kubelet.pod import (
    ADMIN_URL,
    URL,
    address_annotations,
    by_owner,
    earlier_starts,
    has_ended,
    new_pod,
    pod_status,
    refused_status,
    runs_once,
)
from harness.simulator.kubelet.process import ModelProcess
from harness.simulator.kubelet.report import report
from harness.simulator.kubelet.rollout import deployment_status, next_step

log = logging.getLogger(__name__)
NODE = "maas-conformance-local"
GRACE_S = 5.0
DRAIN_S = 0.3
UNTOLD_START_S = 0.3
Launcher = Callable[[Manifest, Path], Launch]


def by_service(manifest: Manifest) -> Iterable[object]:
    """Index of our EndpointSlices by their Service."""
    found = labels(manifest)
    if found.get(MANAGER_LABEL) != MANAGER:
        return []
    return [Key(manifest["metadata"]["namespace"], found.get(SERVICE_LABEL, ""))]


class DeploymentReconciler:
    """Deployment → Pods and status."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def reconcile(self, key: Key) -> float | None:
        """Take the next step of a rollout; the Pods' own changes bring the following ones."""
        deployment = self._cluster.store(DEPLOYMENT).get(key)
        if deployment is None or is_deleting(deployment):
            return None
        uid = deployment["metadata"]["uid"]
        pods = self._cluster.store(POD)
        step = next_step(deployment, pods.by("owner", uid))
        for _ in range(step.create):
            await self._cluster.create(POD, new_pod(deployment, NODE))
        for pod in step.delete:
            await self._cluster.delete(POD, pod)
        wanted = deployment_status(deployment, pods.by("owner", uid), timestamp())
        await self._cluster.write_status(DEPLOYMENT, deployment, wanted)
        return None


class PodReconciler:
    """Pod → process, and the process's standing → Pod status."""

    def __init__(self, cluster: Cluster, folder: Path, launcher: Launcher, starter: Starter) -> None:
        self._cluster = cluster
        self._folder = folder
        self._launcher = launcher
        self._starter = starter
        self._processes: dict[Key, tuple[str, ModelProcess]] = {}
        self._ending: dict[Key, asyncio.Task[None]] = {}
        self.wake: Callable[[Key], None] = lambda _: None

    async def reconcile(self, key: Key) -> float | None:
        """Bring one Pod to rest; Pods of other nodes are nobody's business here."""
        pod = self._cluster.store(POD).get(key)
        known = self._processes.get(key)
        if known is not None and (pod is None or pod["metadata"]["uid"] != known[0] or is_deleting(pod)):
            self._end(key, pod)
            known = None
        if pod is None or spec(pod).get("nodeName") != NODE:
            return None
        if is_deleting(pod):
            if key not in self._ending:
                await self._cluster.delete(POD, pod, grace_s=0)
            return None
        if known is None and has_ended(pod):
            return None
        if known is None:
            known = await self._start(key, pod)
            if known is None:
                return None
        return await self._report(key, pod, known[1])

    async def stop(self, grace_s: float) -> None:
        """End every process."""
        running = [process.stop(grace_s) for _, process in self._processes.values()]
        self._processes.clear()
        await asyncio.gather(*running, *self._ending.values())
        await self._starter.close()

    async def _start(self, key: Key, pod: Manifest) -> tuple[str, ModelProcess] | None:
        folder = self._folder / "pods" / pod["metadata"]["uid"]
        try:
            self._launcher(pod, folder / "ready.json")
        except UnrunnableError as error:
            await self._cluster.write_status(POD, pod, refused_status(pod, str(error), timestamp()))
            return None
        folder.mkdir(parents=True, exist_ok=True)
        output = self._log_of(key)
        output.parent.mkdir(parents=True, exist_ok=True)
        process = ModelProcess(
            lambda ready_file: self._launcher(pod, ready_file),
            self._starter,
            folder,
            output,
            lambda: self.wake(key),
            earlier_starts(pod),
            once=runs_once(pod),
        )
        self._processes[key] = (pod["metadata"]["uid"], process)
        log.info("pod %s started", key)
        return self._processes[key]

    async def _report(self, key: Key, pod: Manifest, process: ModelProcess) -> float | None:
        """Say what has become of the process; seconds after which to do so where that is not yet.

        A first start is news only when it takes a while: most Pods serve before anybody could have read that they do not.
        """
        standing = process.standing
        if standing.state == "starting" and not status(pod).get("startTime"):
            left = UNTOLD_START_S - process.age_s
            if left > 0:
                return left
        changed = address_annotations(pod, standing, str(self._log_of(key)))
        await report(self._cluster, pod, changed, pod_status(pod, standing, timestamp()))
        return None

    def _end(self, key: Key, pod: Manifest | None) -> None:
        _, process = self._processes.pop(key)
        task = asyncio.get_running_loop().create_task(self._terminate(key, pod, process))
        self._ending[key] = task
        task.add_done_callback(lambda _: self._ending.pop(key, None))

    async def _terminate(self, key: Key, pod: Manifest | None, process: ModelProcess) -> None:
        """Leave the gateway a moment to send new requests elsewhere, then end the process and let the Pod go."""
        await asyncio.sleep(DRAIN_S)
        if pod is not None:
            await self._withdraw(key)
        await process.stop(GRACE_S)
        log.info("pod %s ended", key)
        if pod is not None and is_deleting(pod):
            await self._cluster.delete(POD, pod, grace_s=0)

    async def _withdraw(self, key: Key) -> None:
        """Whoever reads addresses from Pods must not find that of a process that ends."""
        with contextlib.suppress(ApiError):
            await self._cluster.patch(POD, key, {"metadata": {"annotations": {URL: None, ADMIN_URL: None}}})

    def _log_of(self, key: Key) -> Path:
        return self._folder / "logs" / f"{key.namespace}_{key.name}.log"


class EndpointReconciler:
    """Service → EndpointSlices, one for each of its Pods that has a port."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def reconcile(self, key: Key) -> float | None:
        """Bring one Service's slices to rest; a Service that has gone takes its slices with it."""
        service = self._cluster.store(SERVICE).get(key)
        if service is None or is_deleting(service) or not spec(service).get("selector"):
            return None
        wanted: set[str] = set()
        for pod in self._cluster.store(POD).all(key.namespace):
            built = endpoint_slice(service, pod) if selects(service, pod) else None
            if built is not None:
                wanted.add(built["metadata"]["name"])
                await self._cluster.apply(ENDPOINT_SLICE, built)
        for present in self._cluster.store(ENDPOINT_SLICE).by("service", key):
            if present["metadata"]["name"] not in wanted:
                await self._cluster.delete(ENDPOINT_SLICE, present)
        return None


def install(manager: Manager, folder: Path, launcher: Launcher, starter: Starter) -> PodReconciler:
    """Add the kubelet stand-in to a manager; the returned reconciler ends all processes when asked."""
    cluster = manager.cluster
    batch(manager)
    pods = cluster.informer(POD, {"owner": by_owner})
    services = cluster.informer(SERVICE)
    reconciler = PodReconciler(cluster, folder, launcher, starter)
    deployments = manager.add("deployment", DeploymentReconciler(cluster))
    deployments.owns(cluster.informer(DEPLOYMENT))
    deployments.follows(pods, _owning_deployment)
    running: Controller = manager.add("pod", reconciler, workers=8)
    running.owns(pods)
    reconciler.wake = running.queue.add
    endpoints = manager.add("endpointslice", EndpointReconciler(cluster))
    endpoints.owns(services)

    def selecting(change: Change) -> list[Key]:
        return [key_of(one) for one in services.store.all() if any(selects(one, pod) for pod in change.both())]

    endpoints.follows(pods, selecting)
    endpoints.follows(
        cluster.informer(ENDPOINT_SLICE, {"service": by_service}),
        lambda change: [key for manifest in change.both() for key in by_service(manifest) if isinstance(key, Key)],
    )
    return reconciler


def _owning_deployment(change: Change) -> list[Key]:
    return [
        Key(manifest["metadata"]["namespace"], ref["name"])
        for manifest in change.both()
        for ref in manifest["metadata"].get("ownerReferences") or ()
        if ref.get("kind") == "Deployment"
    ]
