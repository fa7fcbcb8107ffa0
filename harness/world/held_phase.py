"""A phase that stays as a check needs it, whatever the controller would say: for states that no object brings about by itself.

The API server is told to ask a webhook about each status of the object that says another phase, and nobody answers there: so
every such write is refused, and the controller goes on trying. Only this one object is concerned, and its life is not: it can be edited
and deleted as ever.
"""

from typing import Any, Final

from harness.engine.failure import NotReady
from harness.kube.cluster import Cluster
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest, Ref
from harness.world.objects import Objects
from harness.world.patience import until

LABEL: Final = "maas-conformance.dev/held"
PLURALS: Final = {
    "MaaSSubscription": "maassubscriptions",
    "MaaSAuthPolicy": "maasauthpolicies",
    "MaaSModelRef": "maasmodelrefs",
}


def hold_phase(world: Objects, ref: Ref, phase: str | None) -> None:
    """Give a subscription, policy or model of the check this phase (None: no phase, as before it was first reconciled), and keep it.

    Raises NotReady when the API server does not come to refuse other phases.
    """
    world.settle()
    cluster = world.estate.cluster
    world.declare(_guard(world, ref, phase))
    world.settle()
    cluster.patch(ref, {"metadata": {"labels": {LABEL: world.name}}})
    other = "Pending" if phase != "Pending" else "Failed"  # phases that each of the kinds knows
    refused, _ = until(lambda: _is_refused(cluster, ref, other), bool, world.estate.ready_bound)
    if not refused:
        raise NotReady(
            f"the API server takes phase {other} for {ref}, though a webhook that nobody answers is asked about it"
        )
    cluster.patch(ref, {"status": {"phase": phase}}, subresource="/status")


def _is_refused(cluster: Cluster, ref: Ref, phase: str) -> bool:
    try:
        cluster.patch(ref, {"status": {"phase": phase}}, subresource="/status", dry_run=True)
    except Rejected:
        return True
    return False


def _guard(world: Objects, ref: Ref, phase: str | None) -> Manifest:
    has_phase = "has(object.status) && has(object.status.phase)"
    group, _, version = ref.api_version.partition("/")
    webhook: dict[str, Any] = {
        "name": "held-phase.maas-conformance.dev",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 1,
        "clientConfig": {"service": {"namespace": world.estate.namespace, "name": "nobody", "path": "/"}},
        "objectSelector": {"matchLabels": {LABEL: world.name}},
        "rules": [
            {
                "apiGroups": [group],
                "apiVersions": [version],
                "operations": ["UPDATE"],
                "resources": [f"{PLURALS[ref.kind]}/status"],
            }
        ],
        "matchConditions": [
            {
                "name": "another-phase",
                "expression": has_phase if phase is None else f'!({has_phase}) || object.status.phase != "{phase}"',
            }
        ],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"{world.name}-held"},
        "webhooks": [webhook],
    }
