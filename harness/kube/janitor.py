"""Removing what runs left in a cluster, found by their labels alone."""

import time
from collections.abc import Sequence
from typing import Final

from harness.kube.cluster import Cluster
from harness.kube.fault import Rejected
from harness.kube.labels import CREATED, selector
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound, is_gone, wait_for_all

MAAS: Final = "maas.opendatahub.io/v1alpha1"
SWEPT: Final[tuple[tuple[str, str], ...]] = (
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    (MAAS, "MaaSSubscription"),
    (MAAS, "MaaSAuthPolicy"),
    (MAAS, "MaaSModelRef"),
    ("serving.kserve.io/v1alpha1", "LLMInferenceService"),
    (MAAS, "AITenant"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("kuadrant.io/v1", "AuthPolicy"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("v1", "ServiceAccount"),
    ("v1", "Secret"),
    ("v1", "ConfigMap"),
    ("v1", "Namespace"),
)
"""Kinds that a run may create: what hinders writes goes first, policies before models, models before the namespaces that hold both."""


def left_behind(cluster: Cluster, *, run_id: str | None = None, older_than_s: float = 0.0) -> list[Ref]:
    """Objects that carry the labels of this run (or of any) and were made at least so long ago."""
    found: list[Ref] = []
    for api_version, kind in SWEPT:
        try:
            items = cluster.objects(api_version, kind, labels=selector(run_id))
        except Rejected as error:
            if error.status in (403, 404, 405):  # a kind this cluster lacks, or that we could not have created
                continue
            raise
        found += [Ref.of(item) for item in items if _age_s(item) >= older_than_s]
    return found


def _age_s(manifest: Manifest) -> float:
    created = manifest["metadata"].get("labels", {}).get(CREATED, "")
    return time.time() - int(created) if created.isdigit() else float("inf")


def sweep(cluster: Cluster, *, run_id: str | None = None, older_than_s: float = 0.0, bound: Bound) -> Sequence[Ref]:
    """Delete what `left_behind` finds and wait until it is gone; returns what was deleted. Raises WaitExpired naming what stays."""
    found = left_behind(cluster, run_id=run_id, older_than_s=older_than_s)
    gone = [ref for ref in found if cluster.delete(ref)]
    wait_for_all(cluster, [is_gone(ref) for ref in gone], bound)
    return gone
