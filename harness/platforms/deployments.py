"""Stopping and starting the components of a platform in a cluster: its Deployments, to no replica and back.

Names are those of the embedded platform's components, so that a check need not know where it runs. An operator that restores replicas by
itself brings a component back early; a check sees that as a component that answers, and says so.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from harness.kube.cluster import Cluster
from harness.kube.fault import WaitExpired
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound, Expectation, wait_for
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms import inventory
from harness.platforms.component_state import Action, ComponentState, State
from harness.platforms.platform import Namespaces

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "maas-controller": ("maas-controller",),
    "maas-api": ("maas-api",),
    "kserve": ("kserve-controller-manager", "llmisvc-controller-manager"),
    "authorizer": ("authorino",),
    "limiter": ("limitador-limitador", "limitador"),
    "gateway": ("maas-gateway",),
}
"""Deployments by which upstream, or fixtures/cluster, runs each component."""
GATEWAY_LABEL: Final = "gateway.networking.k8s.io/gateway-name"
MAAS_GATEWAY: Final = "maas-default-gateway"
SCALED_BOUND: Final = Bound("component_bound_s", 180)
NOTHING_FOUND: Final = "no Deployment of a component was found: " + ", ".join(
    name for names in NAMES.values() for name in names
)


def component_deployments(cluster: Cluster, places: Namespaces) -> dict[str, Ref]:
    """Where each component runs, those that were found; maas-api in the infra namespace, as each tenant has one."""
    found: dict[str, Ref] = {}
    for deployment in inventory.objects_or_none(cluster, "apps/v1", "Deployment"):
        name = _component(deployment, places)
        if name is not None:
            found.setdefault(name, Ref.of(deployment))
    return found


def _component(deployment: Manifest, places: Namespaces) -> str | None:
    metadata = deployment["metadata"]
    if (metadata.get("labels") or {}).get(GATEWAY_LABEL) == MAAS_GATEWAY:
        return "gateway"
    name = next((component for component, names in NAMES.items() if metadata["name"] in names), None)
    return None if name == "maas-api" and metadata["namespace"] != places.infra else name


@dataclass(frozen=True, slots=True)
class DeployedComponents:
    """The components of one cluster."""

    cluster: Cluster
    deployments: Mapping[str, Ref]
    _replicas: dict[str, int] = field(default_factory=dict)

    @property
    def pauses(self) -> bool:
        """Pods cannot be stopped for a while."""
        return False

    def states(self) -> tuple[ComponentState, ...]:
        """Each as its Deployment says."""
        return tuple(self._state(name) for name in self.deployments)

    def act(self, name: str, action: Action) -> ComponentState:
        """Do this and return when it is done. Raises UsageFault for an unknown name or action, EnvironmentFault when it does not happen."""
        ref = self.deployments.get(name)
        if ref is None:
            raise UsageFault(f"there is no component {name!r} here; there are {', '.join(self.deployments) or 'none'}")
        if action in ("pause", "resume"):
            raise UsageFault("a Deployment can be stopped, killed and started; it cannot be paused")
        began = time.monotonic()
        try:
            if action == "prepare":
                pass  # its image is on the nodes already
            elif action == "start":
                self._start(name, ref)
            else:
                self._stop(name, ref, at_once=action == "kill")
        except WaitExpired as expired:
            raise EnvironmentFault(str(expired)) from expired
        took = round(time.monotonic() - began, 3)
        return self._state(name).model_copy(update={"seconds": took})

    def _stop(self, name: str, ref: Ref, *, at_once: bool) -> None:
        wanted = int((self._deployment(ref).get("spec") or {}).get("replicas", 1))
        if wanted:
            self._replicas[name] = wanted
            self._scale(ref, 0)
        pods = list(self._pods(ref))
        if at_once:
            for pod in pods:
                self.cluster.delete(Ref.of(pod), grace_s=0)
        for pod in pods:
            wait_for(self.cluster, _replaced(pod), SCALED_BOUND)
        # The Deployment learns of its Pods' end later than we do, and its status is what `states` reads.
        wait_for(self.cluster, Expectation(ref, "without a ready replica", _is_empty), SCALED_BOUND)

    def _start(self, name: str, ref: Ref) -> None:
        if not (self._deployment(ref).get("spec") or {}).get("replicas", 1):
            self._scale(ref, self._replicas.pop(name, 1))
        wait_for(self.cluster, Expectation(ref, "with all replicas ready", _is_whole), SCALED_BOUND)

    def _scale(self, ref: Ref, replicas: int) -> None:
        self.cluster.patch(ref, {"spec": {"replicas": replicas}})

    def _deployment(self, ref: Ref) -> Manifest:
        found = self.cluster.get(ref)
        if found is None:
            raise EnvironmentFault(f"{ref} has gone")
        return found

    def _pods(self, ref: Ref) -> Iterable[Manifest]:
        labels = self._deployment(ref)["spec"]["selector"].get("matchLabels") or {}
        return [
            pod
            for pod in self.cluster.objects("v1", "Pod", namespace=ref.namespace)
            if labels.items() <= (pod["metadata"].get("labels") or {}).items()
        ]

    def _state(self, name: str) -> ComponentState:
        deployment = self._deployment(self.deployments[name])
        wanted = (deployment.get("spec") or {}).get("replicas", 1)
        ready = (deployment.get("status") or {}).get("readyReplicas", 0)
        state: State = "running" if ready else "starting" if wanted else "stopped"
        return ComponentState(name=name, state=state)


def _is_whole(deployment: Manifest | None) -> bool:
    """All replicas are ready; the condition Available holds for none at all, so it says nothing of those just asked for."""
    if deployment is None:
        return False
    status, wanted = deployment.get("status") or {}, (deployment.get("spec") or {}).get("replicas", 1)
    current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return current and int(status.get("readyReplicas", 0)) >= max(1, int(wanted))


def _is_empty(deployment: Manifest | None) -> bool:
    """No replica is ready, by a status that knows of the latest specification."""
    if deployment is None:
        return True
    status = deployment.get("status") or {}
    current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return current and not int(status.get("readyReplicas", 0))


def _replaced(pod: Manifest) -> Expectation:
    """This Pod is gone; one of the same name may have come."""
    uid = pod["metadata"]["uid"]

    def holds(now: Manifest | None) -> bool:
        return now is None or now["metadata"].get("uid") != uid

    return Expectation(Ref.of(pod), "gone", holds)
