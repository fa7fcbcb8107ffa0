"""TelemetryPolicy: which labels a gateway's token metrics carry, and what each is taken from.

The limiter knows a call's subscription, user, groups, cost centre, organisation and model; an expression means one of them. Others cannot
be known where the metrics are counted, and a policy that has one is not in force.
"""

import re
from collections.abc import Mapping

from harness.simulator.gateway.plan.gatewayapi import Key, Object
from harness.simulator.gateway.plan.policies import Standing, by_target, standing
from harness.simulator.gateway.plan.snapshot import Snapshot

Labels = Mapping[str, str]
"""Label to the field of a call that gives its value."""
IDENTITY = {
    "userid": "user",
    "username": "user",
    "group": "group",
    "selected_subscription": "subscription",
    "subscription_info.costCenter": "cost_center",
    "subscription_info.organizationId": "organization_id",
}
OF_IDENTITY = re.compile(r"auth\.identity\.([a-zA-Z_.]+)")
OF_BODY = re.compile(r'(request|response)BodyJSON\("/model"\)')
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def field_of(label: str, expression: str) -> str:
    """What the label is taken from. Raises ValueError."""
    if not LABEL.fullmatch(label):
        raise ValueError(f"{label!r} is no name of a Prometheus label")
    if OF_BODY.fullmatch(expression):
        return "model"
    named = set(OF_IDENTITY.findall(expression))
    if len(named) == 1 and (found := IDENTITY.get(named.pop())) is not None:
        return found
    raise ValueError(
        f"label {label}: expected one of auth.identity.{{{', '.join(IDENTITY)}}} or the body's model, got {expression!r}"
    )


def labels_of(policy: Object) -> Labels:
    """What the policy asks for. Raises ValueError where an expression cannot be read."""
    wanted = ((policy.get("spec", {}).get("metrics") or {}).get("default") or {}).get("labels") or {}
    return {label: field_of(label, str(expression)) for label, expression in sorted(wanted.items())}


def labels_at(gateway: Key, policies: Mapping[tuple[str, Key], list[Object]]) -> Labels:
    """The labels of a gateway's metrics; none without a policy, or with one that cannot be read."""
    found = policies.get(("Gateway", gateway))
    try:
        return labels_of(found[0]) if found else {}
    except ValueError:
        return {}


def telemetry_standings(snapshot: Snapshot, served: Mapping[Key, set[Key]]) -> dict[Key, Standing]:
    """Standing of every TelemetryPolicy."""
    found: dict[Key, Standing] = {}
    for group in by_target(snapshot.telemetry_policies).values():
        for rank, policy in enumerate(group):
            here = standing(policy, rank, snapshot, served)
            try:
                labels_of(policy)
            except ValueError as error:
                here = Standing("Accepted", "InvalidCelExpression", str(error)) if here.enforced == "Enforced" else here
            metadata = policy["metadata"]
            found[str(metadata["namespace"]), str(metadata["name"])] = here
    return found
