"""What a MaaSModelRef says of itself: phase, endpoint and conditions from its backend and who names it."""

from dataclasses import dataclass
from typing import Any

from harness.simulator.controllers.maas.backend import Backend
from harness.simulator.controllers.runtime.condition import Condition, find, truth, update
from harness.simulator.controllers.runtime.manifest import Manifest, generation, key_of, spec, status

ATTACHED = "GovernanceAttached"
UNIQUE = "ModelIdentityUnique"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A model's phase and the sentence for its Ready condition."""

    phase: str
    reason: str
    message: str


def governance(model: Manifest, subscribed: bool, granted: bool) -> Condition:
    """Whether a subscription and an access policy both name the model; a loss is told from a lack."""
    observed = generation(model)
    if subscribed and granted:
        text = "referenced by a MaaSSubscription and a MaaSAuthPolicy"
        return Condition(ATTACHED, "True", "GovernancePaired", text, observed)
    before = find(status(model).get("conditions"), ATTACHED)
    was_paired = before is not None and before.get("reason") in ("GovernancePaired", "GovernanceGap")
    missing = [name for name, there in (("MaaSSubscription", subscribed), ("MaaSAuthPolicy", granted)) if not there]
    text = f"no live {' and no live '.join(missing)} references the model"
    return Condition(ATTACHED, "False", "GovernanceGap" if was_paired else "NoPairingFound", text, observed)


def identity(model: Manifest, alias: str, others: list[Manifest]) -> Condition:
    """Whether no other model of the namespace answers to the same alias."""
    observed = generation(model)
    if not alias:
        return Condition(UNIQUE, "Unknown", "AliasNotResolved", "the model's alias is not known yet", observed)
    names = sorted(str(key_of(other)) for other in others)
    if names:
        text = f"alias {alias} is shared with {', '.join(names)}"
        return Condition(UNIQUE, "False", "ModelNameConflict", text, observed)
    return Condition(UNIQUE, "True", "UniqueIdentity", f"alias {alias} is unique in the namespace", observed)


def outcome(backend: Backend, paired: bool) -> Outcome:
    """The phase: troubles of the route first, then governance, then the backend's health."""
    if backend.phase == "Failed":
        return Outcome("Failed", "ReconcileFailed", backend.message)
    if backend.phase == "Pending":
        return Outcome("Pending", "BackendNotReady", backend.message)
    if not paired:
        missing = "" if backend.ready else " and backend readiness"
        return Outcome("Pending", "BackendNotReady", f"Awaiting governance pairing{missing}")
    if not backend.ready:
        return Outcome("Unhealthy", "RuntimeHealthFailure", "Governed, but the backend is not ready")
    return Outcome("Ready", "Reconciled", "Governed and runtime-healthy")


def model_status(model: Manifest, backend: Backend, paired: Condition, unique: Condition, now: str) -> dict[str, Any]:
    """The whole status. The alias outlives its source: whoever knows the model by it must still be told what became of it."""
    before = status(model)
    found = outcome(backend, paired.status == "True")
    observed = generation(model)
    healthy = Condition(
        "RuntimeReady",
        truth(backend.ready),
        "RuntimeHealthy" if backend.ready else "RuntimeHealthFailure",
        "the backend is ready" if backend.ready else backend.message or "the backend is not ready",
        observed,
    )
    ready = Condition("Ready", truth(found.phase == "Ready"), found.reason, found.message, observed)
    result: dict[str, Any] = {
        "phase": found.phase,
        "conditions": update(before.get("conditions"), [paired, healthy, unique, ready], now),
    }
    alias = backend.alias or before.get("resolvedModelAlias")
    if alias:
        result["resolvedModelAlias"] = alias
    if found.phase == "Ready":
        result["endpoint"] = spec(model).get("endpointOverride") or backend.endpoint
    if spec(model).get("tenantRef"):
        result["resolvedTenantRef"] = spec(model)["tenantRef"]
    return result | _route_fields(backend)


def _route_fields(backend: Backend) -> dict[str, Any]:
    route = backend.route_key
    if route is None:
        return {}
    fields: dict[str, Any] = {"httpRouteName": route.name, "httpRouteNamespace": route.namespace}
    if backend.attached:
        fields["httpRouteGatewayName"] = backend.gateway.name
        fields["httpRouteGatewayNamespace"] = backend.gateway.namespace
    if backend.hostnames:
        fields["httpRouteHostnames"] = backend.hostnames
    return fields
