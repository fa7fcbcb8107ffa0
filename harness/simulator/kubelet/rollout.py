"""Deployments: which Pods to add and to take away, and what the status says of them."""

from dataclasses import dataclass
from typing import Any

from harness.simulator.controllers.runtime.condition import Condition, truth, update
from harness.simulator.controllers.runtime.manifest import Manifest, generation, is_deleting, labels, spec, status
from harness.simulator.kubelet.pod import HASH_LABEL, is_ready, template_hash


@dataclass(frozen=True, slots=True)
class Step:
    """The next step of a rollout."""

    create: int
    delete: tuple[Manifest, ...]


def replicas(deployment: Manifest) -> int:
    """`spec.replicas`, one when absent."""
    wanted = spec(deployment).get("replicas")
    return 1 if wanted is None else int(wanted)


def next_step(deployment: Manifest, pods: list[Manifest]) -> Step:
    """Replace Pods of older templates only by Pods that already serve, so that a change of template loses no request."""
    wanted = replicas(deployment)
    digest = template_hash(deployment)
    alive = [pod for pod in pods if not is_deleting(pod)]
    present = [pod for pod in alive if labels(pod).get(HASH_LABEL) == digest]
    older = [pod for pod in alive if labels(pod).get(HASH_LABEL) != digest]
    surplus = sorted(present, key=is_ready)[: max(0, len(present) - wanted)]
    serving = sum(1 for pod in present if is_ready(pod))
    spare = max(0, serving + sum(1 for pod in older if is_ready(pod)) - wanted)
    broken = [pod for pod in older if not is_ready(pod)]
    replaced = [pod for pod in older if is_ready(pod)][:spare]
    return Step(max(0, wanted - len(present)), (*surplus, *broken, *replaced))


def deployment_status(deployment: Manifest, pods: list[Manifest], now: str) -> dict[str, Any]:
    """The whole status."""
    wanted = replicas(deployment)
    alive = [pod for pod in pods if not is_deleting(pod)]
    ready = sum(1 for pod in alive if is_ready(pod))
    updated = [pod for pod in alive if labels(pod).get(HASH_LABEL) == template_hash(deployment)]
    complete = len(updated) == len(alive) == wanted and ready >= wanted
    available = ready >= wanted
    conditions = [
        Condition(
            "Available",
            truth(available),
            "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable",
            "Deployment has minimum availability." if available else f"{ready} of {wanted} replicas are available.",
        ),
        Condition(
            "Progressing",
            "True",
            "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated",
            "The Pods are of the latest template." if complete else "The Pods are being replaced.",
        ),
    ]
    result: dict[str, Any] = {
        "observedGeneration": generation(deployment),
        "replicas": len(alive),
        "updatedReplicas": len(updated),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "conditions": update(status(deployment).get("conditions"), conditions, now),
    }
    missing = max(0, wanted - ready)
    return result | ({"unavailableReplicas": missing} if missing else {})
