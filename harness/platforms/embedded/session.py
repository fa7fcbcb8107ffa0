"""An embedded platform from first process to nothing left."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.kube.documents import Document
from harness.kube.wait import Bound
from harness.platforms.control import Control, control_of
from harness.platforms.data import data_folder
from harness.platforms.embedded import preflight, topology
from harness.platforms.embedded.description import describe
from harness.platforms.embedded.plan import Plan, listeners_of
from harness.platforms.embedded.population import populate
from harness.platforms.embedded.replacement import require_replaceable
from harness.platforms.embedded.settings import EmbeddedSettings
from harness.platforms.embedded.world import base_documents, database_secret, world_documents
from harness.platforms.issuer import tried
from harness.platforms.lease import PLATFORM_FILE, Lease
from harness.platforms.machine import envoy_binary
from harness.platforms.platform import Platform
from harness.platforms.remains import sweep_dead_runs
from harness.platforms.settings import require_reference_stack
from harness.platforms.supervisor import Endpoints, Supervisor
from harness.platforms.target import Progress, TargetOptions
from harness.platforms.termination import deferred, sigterm_interrupts, uninterrupted

LATE_S: Final = 5.0
"""How much longer the supervisor waits than the populating thread, whose own bound says more."""


@dataclass(frozen=True, slots=True)
class Announcements:
    """Endpoints of components, as promises that the populating thread can wait for."""

    promises: Mapping[str, "Future[Mapping[str, str]]"]

    def pass_on(self, ready: Endpoints) -> None:
        """Keep the promises of components that have become ready."""
        for name, endpoints in ready.items():
            promise = self.promises.get(name)
            if promise is not None and not promise.done():
                promise.set_result(endpoints)

    def cancel(self) -> None:
        """Release whoever still waits."""
        for promise in self.promises.values():
            promise.cancel()


@contextmanager
def embedded_platform(options: TargetOptions, progress: Progress) -> Iterator[Platform]:
    """The platform for the length of the block; its processes and files go with it, also when something fails midway."""
    started = time.monotonic()
    require_reference_stack(options)
    settings = EmbeddedSettings.read(options.settings, options.backend, options.run_id)
    require_replaceable(settings.replaced)
    preflight.require_free_port(options.gateway_port)
    envoy_binary()
    if options.backend == "vllm":
        preflight.require_vllm(without_gpu=settings.without_gpu)
    documents = [*base_documents(), *world_documents(options)]
    with supervised(options, progress) as (lease, supervisor):
        plan = Plan(
            private=lease.private,
            crds=crd_folders(),
            listeners=listeners_of(documents),
            gateway_port=options.gateway_port,
            backend=options.backend,
            replaced=settings.replaced,
            quirks=settings.quirks,
            tls=settings.tls,
            kube_api=settings.kube_api,
            admission=settings.admission,
            keycloak=settings.keycloak,
            bounds=settings.bounds,
        )
        bound = Bound("ready_bound_s", settings.ready_bound_s)
        platform = _boot(plan, supervisor, documents, bound, progress, started)
        with tried(plan.keycloak, progress), control_of(supervisor) as control:
            try:
                yield _controlled(platform, control, plan)
            finally:
                with uninterrupted():
                    supervisor.stop()


@contextmanager
def supervised(options: TargetOptions, progress: Progress) -> Iterator[tuple[Lease, Supervisor]]:
    """A lease and a supervisor for the length of the block; afterwards no process and no private file is left, however it ended."""
    for swept in sweep_dead_runs():
        progress(f"swept what the killed run {swept.run_id} left: {', '.join(swept.processes) or 'files only'}")
    with sigterm_interrupts():
        with deferred():
            lease = Lease.open(options.state_dir)
        supervisor = Supervisor(lease)
        try:
            yield lease, supervisor
        finally:
            with uninterrupted():
                supervisor.stop()
                lease.release(keep_files=options.keep)


def crd_folders() -> tuple[Path, ...]:
    """The folders of CRDs that the embedded Kubernetes API serves from its first request on."""
    return tuple(sorted(folder for folder in data_folder("crds").iterdir() if folder.is_dir()))


def _boot(
    plan: Plan,
    supervisor: Supervisor,
    documents: list[Document],
    bound: Bound,
    progress: Progress,
    started: float,
) -> Platform:
    parts = [component.part(plan) for component in topology.COMPONENTS]
    progress(f"starting {len(parts)} components")
    supervisor.load(parts)
    announcements = Announcements({name: Future() for name in ("kubeapi", "maas-api", "issuer")})
    with ThreadPoolExecutor(1, thread_name_prefix="populate") as pool:
        population = pool.submit(
            populate,
            plan.kubeconfig,
            [*documents, database_secret(plan.database)],
            announcements.promises,
            bound,
            progress,
            plan.keycloak,
        )

        def done(ready: Endpoints) -> bool:
            announcements.pass_on(ready)
            return population.done() and (population.exception() is not None or supervisor.all_ready(ready))

        try:
            endpoints = supervisor.until(done, bound_s=bound.seconds + LATE_S)
            found = population.result()
        except BaseException:
            announcements.cancel()
            with uninterrupted():
                supervisor.stop()  # its API gone, the populating thread ends at once
            raise
    platform = describe(plan, endpoints, found, supervisor, time.monotonic() - started)
    progress(f"ready after {platform.startup_s:.1f} s: {platform.endpoints.gateway}")
    return platform


def _controlled(platform: Platform, control: Control, plan: Plan) -> Platform:
    """The platform with the control of its components, and its file."""
    complete = platform.model_copy(
        update={
            "endpoints": platform.endpoints.model_copy(update={"components": control.url}),
            "credentials": platform.credentials.model_copy(update={"components": control.secret}),
        }
    )
    complete.save(plan.private / PLATFORM_FILE)
    return complete
