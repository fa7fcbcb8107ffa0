"""What an LLMInferenceService says of itself: conditions that feed Ready, the URL and the addresses."""

from dataclasses import dataclass, field
from typing import Any

from harness.simulator.controllers.kserve.address import Address, preferred_url
from harness.simulator.controllers.kserve.names import (
    deployment_name,
    is_stopped,
    route_name,
    workload_service_name,
)
from harness.simulator.controllers.kserve.route import GROUP, GatewayRef
from harness.simulator.controllers.runtime.condition import Condition, find, truth, update
from harness.simulator.controllers.runtime.manifest import Manifest, generation, spec, status

INFO = "Info"
WORKLOADS = ("MainWorkloadReady",)
ROUTER = ("GatewaysReady", "HTTPRoutesReady")
DEPENDENTS = ("PresetsCombined", "WorkloadsReady", "RouterReady")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something is not ready."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What the reconciler saw of a model's parts; None says that the part is in order."""

    service: Manifest
    deployment: Manifest | None
    gateways: Trouble | None
    route: Trouble | None
    gateways_named: bool
    routed: bool
    addresses: list[Address] = field(default_factory=list)
    attached: list[GatewayRef] = field(default_factory=list)
    tiers: Trouble | None = None


def workload_trouble(service: Manifest, deployment: Manifest | None) -> Trouble | None:
    """Why the model's Deployment does not serve; None when it is available in its latest form."""
    if deployment is None:
        return Trouble("Progressing", "the Deployment has not been created yet")
    if spec(service).get("replicas") == 0:
        return Trouble("MinimumReplicasUnavailable", "spec.replicas is 0: no Pod serves the model")
    if int(status(deployment).get("observedGeneration") or 0) < generation(deployment):
        return Trouble("Progressing", "the Deployment's latest form has not been taken up yet")
    available = find(status(deployment).get("conditions"), "Available")
    if available is None:
        return Trouble("Progressing", "the Deployment does not report availability yet")
    if available.get("status") != "True":
        return Trouble(available.get("reason") or "Progressing", available.get("message") or "")
    return None


def conditions(seen: Observation) -> list[Condition]:
    """The conditions of a model, Ready among them; those of unused features are absent."""
    stopped = Trouble("Stopped", "Service is stopped") if is_stopped(seen.service) else None
    parts: dict[str, Trouble | None] = {"MainWorkloadReady": stopped or workload_trouble(seen.service, seen.deployment)}
    if seen.gateways_named or stopped:
        parts["GatewaysReady"] = stopped or seen.gateways
    if seen.routed or stopped:
        parts["HTTPRoutesReady"] = stopped or seen.route
    workloads = _first(parts, WORKLOADS)
    router = _first(parts, ROUTER)
    written = [_condition(name, trouble, INFO) for name, trouble in parts.items()]
    written += [
        _condition("PresetsCombined", None),
        _condition("WorkloadsReady", workloads),
        _condition("RouterReady", router),
        _condition("Ready", workloads or router),
    ]
    if seen.tiers is not None:
        written.append(_condition("TierAccessReady", seen.tiers, INFO))
    return written


def written_status(seen: Observation, now: str) -> dict[str, Any]:
    """The whole status of a model."""
    before = status(seen.service)
    kept = {"annotations": before["annotations"]} if "annotations" in before else {}
    result: dict[str, Any] = kept | {
        "observedGeneration": generation(seen.service),
        "conditions": _replaced(before.get("conditions") or [], conditions(seen), now),
    }
    url = preferred_url(seen.service, seen.addresses) or (before.get("url") if is_stopped(seen.service) else None)
    if url:
        result["url"] = url
    if is_stopped(seen.service):
        return result
    result["workloads"] = _workloads(seen)
    if seen.routed:
        result["addresses"] = [address.written() for address in seen.addresses]
        result["router"] = {"gateways": [_attached(seen.service, gateway) for gateway in seen.attached]}
    else:
        result["addresses"] = [{"url": service_url(seen.service)}]
    return result


def service_url(service: Manifest) -> str:
    """The one address of a model without a route: its Service inside the cluster."""
    return f"http://{workload_service_name(service)}.{service['metadata']['namespace']}.svc.cluster.local"


def _replaced(before: list[Manifest], wanted: list[Condition], now: str) -> list[Manifest]:
    names = {condition.type for condition in wanted}
    return update([entry for entry in before if entry["type"] in names], wanted, now)


def _first(parts: dict[str, Trouble | None], names: tuple[str, ...]) -> Trouble | None:
    return next((parts[name] for name in names if parts.get(name) is not None), None)


def _condition(name: str, trouble: Trouble | None, severity: str = "") -> Condition:
    if trouble is None:
        return Condition(name, truth(True), severity=severity)
    return Condition(name, truth(False), trouble.reason, trouble.message, severity=severity)


def _workloads(seen: Observation) -> dict[str, Any]:
    ready = int(status(seen.deployment).get("availableReplicas") or 0) if seen.deployment is not None else 0
    primary = {
        "apiGroup": "apps",
        "kind": "Deployment",
        "name": deployment_name(seen.service),
        "readyReplicas": ready,
    }
    return {"primary": primary, "service": {"kind": "Service", "name": workload_service_name(seen.service)}}


def _attached(service: Manifest, gateway: GatewayRef) -> dict[str, Any]:
    route = {
        "group": GROUP,
        "kind": "HTTPRoute",
        "name": route_name(service),
        "namespace": service["metadata"]["namespace"],
    }
    return {
        "group": GROUP,
        "kind": "Gateway",
        "name": gateway.name,
        "namespace": gateway.namespace,
        "httpRoutes": [route],
    }
