"""What a MaaSAuthPolicy says of itself: whether its models exist and the gateway enforces access at all."""

from typing import Any

from harness.simulator.controllers.runtime.condition import Condition, find, holds, truth, update
from harness.simulator.controllers.runtime.manifest import Key, Manifest, generation, key_of, status

CONFLICT = "ConflictingAuthPolicy"


def is_enforced(policy: Manifest | None) -> bool:
    """Whether the gateway's AuthPolicy is accepted and enforced in its current form."""
    if policy is None:
        return False
    conditions = status(policy).get("conditions")
    return holds(conditions, "Accepted", generation(policy)) and holds(conditions, "Enforced", generation(policy))


def conflict(access: Manifest, foreign: list[Manifest]) -> Condition:
    """Whether AuthPolicies of other hands sit on a model's route, where they would replace the gateway's."""
    observed = generation(access)
    if not foreign:
        return Condition(CONFLICT, "False", "NoConflict", "no other AuthPolicy targets a model's route", observed)
    names = ", ".join(sorted(str(key_of(policy)) for policy in foreign))
    text = f"AuthPolicy {names} targets a model's route and replaces the gateway's policy there"
    return Condition(CONFLICT, "True", "ConflictDetected", text, observed)


def access_status(
    access: Manifest, models: dict[Key, bool], gateway_policy: Manifest | None, foreign: list[Manifest], now: str
) -> dict[str, Any]:
    """The whole status; `models` says of each listed model whether it exists. `authPolicies` is empty: the gateway has the only one."""
    phase, reason, message = summary(models, gateway_policy)
    ready = Condition("Ready", truth(phase == "Active"), reason, message, generation(access))
    before = status(access).get("conditions")
    return {
        "phase": phase,
        "authPolicies": [],
        "conditions": update(before, [ready, conflict(access, foreign)], now),
    }


def summary(models: dict[Key, bool], gateway_policy: Manifest | None) -> tuple[str, str, str]:
    """Phase, reason and sentence for the whole policy."""
    missing = ", ".join(str(model) for model, exists in models.items() if not exists)
    if not any(models.values()):
        return "Failed", "ReconcileFailed", f"no listed model exists: {missing}"
    if not is_enforced(gateway_policy):
        text = "Waiting for gateway AuthPolicy to be accepted and enforced"
        entry = find(status(gateway_policy).get("conditions"), "Enforced") if gateway_policy is not None else None
        return "Pending", "NotEnforced", f"{text}: {entry['message']}" if entry and entry.get("message") else text
    if missing:
        return "Degraded", "PartialFailure", f"models not found: {missing}"
    return "Active", "Reconciled", "every listed model exists and the gateway enforces access"
