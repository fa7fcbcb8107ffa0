"""The embedded Kubernetes API alone, with every CRD: for work on controllers, and for people who only want a kubeconfig."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.platforms.embedded import topology
from harness.platforms.embedded.plan import Plan
from harness.platforms.embedded.session import crd_folders, supervised
from harness.platforms.embedded.settings import kube_api
from harness.platforms.platform import LocalProcess
from harness.platforms.target import Progress, TargetOptions


@dataclass(frozen=True, slots=True)
class KubernetesOnly:
    """A Kubernetes API without a platform on it."""

    kubeconfig: Path
    processes: Mapping[str, LocalProcess]
    logs: Mapping[str, Path]


@contextmanager
def kube_only(options: TargetOptions, progress: Progress) -> Iterator[KubernetesOnly]:
    """Run the API for the length of the block; worlds that were named are applied, but nothing reconciles them."""
    with supervised(options, progress) as (lease, supervisor):
        plan = Plan(private=lease.private, crds=crd_folders(), listeners=(), kube_api=kube_api(options.settings))
        supervisor.load([topology.KUBERNETES.part(plan)])
        supervisor.until(supervisor.all_ready)
        if options.worlds:
            _apply(plan.kubeconfig, options.worlds)
        yield KubernetesOnly(plan.kubeconfig, supervisor.local_processes, supervisor.logs)


def _apply(kubeconfig: Path, worlds: tuple[Path, ...]) -> None:
    from harness.kube.apply import apply_documents
    from harness.kube.cluster import Cluster
    from harness.kube.documents import read_documents

    with Cluster.connect(kubeconfig) as cluster:
        apply_documents(cluster, read_documents(worlds))
