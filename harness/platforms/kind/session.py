"""A kind cluster from preflight to deletion, which happens on every way out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.kube.apply import apply_documents, apply_manifests
from harness.kube.cluster import Cluster
from harness.kube.documents import read_documents
from harness.kube.manifest import Ref
from harness.kube.wait import Bound, has_condition, wait_for_all
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms import cluster as cluster_target
from harness.platforms.data import data_folder
from harness.platforms.gpu import load_profile, render
from harness.platforms.issuer import tried
from harness.platforms.kind.keycloak import trusted_by
from harness.platforms.kind.plan import (
    CRD_FOLDERS,
    KindPlan,
    creation_steps,
    installation_steps,
    make_plan,
    removal_steps,
)
from harness.platforms.kind.reference import deployments
from harness.platforms.kind.settings import kind_settings
from harness.platforms.kind.steps import Step, printed, take_all
from harness.platforms.lease import PLATFORM_FILE, Lease
from harness.platforms.machine import docker, kind, privileged_containers
from harness.platforms.pins import obtain
from harness.platforms.platform import Parameters, Platform
from harness.platforms.readiness import wait_until_in_force
from harness.platforms.settings import require_reference_stack
from harness.platforms.target import Progress, TargetOptions
from harness.platforms.termination import deferred, sigterm_interrupts, uninterrupted

ESTABLISHED_BOUND: Final = Bound("established_bound_s", 60)


def preflight(options: TargetOptions) -> None:
    """Raise EnvironmentFault in one sentence when kind cannot work here."""
    if options.backend == "vllm":
        raise UsageFault("--backend vllm serves the embedded target; on clusters name a GPU model with --gpu-profile")
    for finding in (docker(), kind(), privileged_containers()):
        if finding.serves and not finding.fine:
            raise EnvironmentFault(f"--target kind cannot run here: {finding.name}: {finding.found}; {finding.advice}")


def _plan(options: TargetOptions, folder: Path) -> KindPlan:
    settings = kind_settings(options.environment, options.settings)
    if options.gateway_port and not settings.gateway_port:
        settings = settings.model_copy(update={"gateway_port": options.gateway_port})
    return make_plan(settings, folder, options.run_id)


class Installation:
    """What happens over the Kubernetes API once the cluster is there."""

    def __init__(self, options: TargetOptions) -> None:
        self._options = options

    def __call__(self, plan: KindPlan) -> None:
        """Install the CRDs, the reference platform and the world, each in force before the next."""
        fetched = obtain(plan.pins.gateway_api, plan.folder / "gateway-api", plan.settings.bundle)
        crds = [*fetched, *(data_folder("crds") / name for name in CRD_FOLDERS)]
        with Cluster.connect(plan.kubeconfig) as cluster:
            definitions = read_documents(crds)
            apply_documents(cluster, definitions)
            wait_for_all(
                cluster, [has_condition(document.ref, "Established") for document in definitions], ESTABLISHED_BOUND
            )
        with Cluster.connect(plan.kubeconfig) as cluster:  # discovery again: the kinds are new
            apply_manifests(cluster, plan.manifests)
            bound = Bound("ready_bound_s", plan.settings.ready_bound_s)
            available = [has_condition(Ref.of(manifest), "Available") for manifest in deployments(list(plan.manifests))]
            wait_for_all(cluster, available, bound)
            world = read_documents(self._options.worlds or [data_folder("worlds") / "default"])
            apply_documents(cluster, world)
            manifests = [document.manifest for document in world]
            if self._options.gpu_profile is not None:
                model = render(load_profile(self._options.gpu_profile))
                apply_manifests(cluster, model)
                manifests += model
            wait_until_in_force(cluster, manifests, bound)


def _steps(options: TargetOptions, plan: KindPlan) -> list[Step]:
    return [*creation_steps(plan), *installation_steps(plan, Installation(options))]


def planned_text(options: TargetOptions) -> str:
    """Every step as it would be taken, removal included; nothing is created, nothing is asked of Docker."""
    plan = _plan(options, (options.state_dir or Path("maas-out")).absolute() / "state")
    text = printed(_steps(options, plan))
    return text if options.keep or plan.settings.keep else text + "\n" + printed(removal_steps(plan))


@contextmanager
def kind_platform(options: TargetOptions, progress: Progress) -> Iterator[Platform]:
    """The platform for the length of the block; the cluster goes with it, also when something fails midway, unless it is kept."""
    if options.dry_run:
        raise UsageFault(
            "a dry run creates no platform to use; print the steps with `maas-conformance up --target kind --dry-run`"
        )
    started = time.monotonic()
    require_reference_stack(options)
    trusted_by(kind_settings(options.environment, options.settings))  # mistakes before measurements
    preflight(options)
    with sigterm_interrupts():
        with deferred():
            lease = Lease.open(options.state_dir)
        plan = _plan(options, lease.private)
        keep = options.keep or plan.settings.keep
        if not keep:
            lease.undo_when_swept([step.words for step in removal_steps(plan)])
        try:
            take_all(_steps(options, plan), progress)
            platform = _describe(plan, options, progress, time.monotonic() - started)
            platform.save(lease.private / PLATFORM_FILE)
            with tried(plan.keycloak, progress):
                yield platform
        finally:
            with uninterrupted():
                try:
                    if keep:
                        progress(
                            f"kept: export KUBECONFIG={plan.kubeconfig}; {removal_steps(plan)[0].printed().splitlines()[-1]} deletes it"
                        )
                    else:
                        take_all(removal_steps(plan), progress)
                finally:
                    lease.release(keep_files=keep)


def _describe(plan: KindPlan, options: TargetOptions, progress: Progress, startup_s: float) -> Platform:
    seen = replace(
        options,
        kubeconfig=plan.kubeconfig,
        gateway_url=plan.gateway_url,
        settings={
            "limiter-admin": plan.limiter_url,
            "standard-gateway": plan.standard_gateway_url,
            "gateway-tls": plan.gateway_tls_url,
            "ca-file": str(plan.ca_file),
            "disposable": "true",
            **_issuer(plan),
        },
    )
    with Cluster.connect(plan.kubeconfig) as cluster:
        platform = cluster_target.describe(cluster, seen, progress, stack="reference")
    parameters = Parameters(admission="check-then-report")  # the default of the limiter in fixtures/cluster
    told = {"startup_s": round(startup_s, 3), "parameters": parameters, "keycloak": plan.keycloak}
    return platform.model_copy(update=told)


def _issuer(plan: KindPlan) -> dict[str, str]:
    """What the cluster target is told of the issuer: ours signs on demand, a Keycloak is administered."""
    if plan.keycloak is not None:
        return plan.settings.issuer
    return {"oidc-issuer": plan.issuer_url, "oidc-issuer-admin": plan.issuer_admin_url}
