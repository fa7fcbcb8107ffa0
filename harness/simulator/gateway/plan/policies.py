"""AuthPolicy and TokenRateLimitPolicy: which is effective where, and the limits it means for the limiter."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.simulator.gateway.plan.gatewayapi import Key, Object, key, text
from harness.simulator.gateway.plan.snapshot import Snapshot
from harness.simulator.gateway.predicate import InvalidExpressionError, compiled

DURATION = re.compile(r"^([0-9]{1,5}(h|m|s|ms)){1,4}$")
UNITS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
Limits = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a policy stands: its Accepted reason, and its Enforced reason once everything is in force."""

    accepted: str
    enforced: str
    message: str = ""


def target(policy: Object) -> tuple[str, Key]:
    """Kind and key of what the policy is attached to, in its own namespace."""
    reference = policy.get("spec", {}).get("targetRef") or {}
    return str(reference.get("kind", "")), (key(policy)[0], str(reference.get("name", "")))


def newest_first(policies: Iterable[Object]) -> list[Object]:
    """Newest by creation, then by name: the first is effective."""
    return sorted(
        policies, key=lambda item: (str(item["metadata"].get("creationTimestamp") or ""), text(key(item))), reverse=True
    )


def by_target(policies: Mapping[Key, Object]) -> dict[tuple[str, Key], list[Object]]:
    """Policies by what they are attached to, the effective one first; those being deleted no longer count."""
    found: dict[tuple[str, Key], list[Object]] = {}
    for policy in newest_first(policies.values()):
        if not policy["metadata"].get("deletionTimestamp"):
            found.setdefault(target(policy), []).append(policy)
    return found


def seconds(window: str) -> int:
    """A Gateway API duration in whole seconds, as Limitador counts it. Raises ValueError."""
    if not DURATION.match(window):
        raise ValueError(f"expected a duration such as 1m or 24h, got {window!r}")
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(h|ms|m|s)", window)) // 1000


def limits_of(policy: Object) -> Limits:
    """What the policy asks of the limiter. Raises ValueError where an expression or a window cannot be read."""
    spec = policy.get("spec", {})
    group = spec.get("overrides") or spec.get("defaults") or spec
    shared = [str(item["predicate"]) for item in group.get("when") or ()]
    found: Limits = []
    for name, limit in sorted((group.get("limits") or {}).items()):
        conditions = shared + [str(item["predicate"]) for item in limit.get("when") or ()]
        variables = [str(item["expression"]) for item in limit.get("counters") or ()]
        for expression in (*conditions, *variables):
            try:
                compiled(expression)
            except InvalidExpressionError as error:
                raise ValueError(f"limit {name}: {error}") from error
        for rate in limit.get("rates") or ():
            found.append(
                {
                    "policy": text(key(policy)),
                    "name": name,
                    "max_value": max(int(rate["limit"]), 0),
                    "seconds": seconds(str(rate["window"])),
                    "conditions": conditions,
                    "variables": variables,
                }
            )
    return found


def deny_all(policy: Object) -> Limits:
    """What stands in for a policy that cannot be read: nothing passes."""
    return [
        {
            "policy": text(key(policy)),
            "name": "unreadable",
            "max_value": 0,
            "seconds": 60,
            "conditions": [],
            "variables": [],
        }
    ]


def limits_or_denial(policy: Object) -> Limits:
    """The policy's limits; none passes while they cannot be read."""
    try:
        return limits_of(policy)
    except ValueError:
        return deny_all(policy)


def effective_limits(route: Key, gateway: Key, policies: Mapping[tuple[str, Key], list[Object]]) -> Limits:
    """The route's own policy replaces the gateway's completely."""
    own = policies.get(("HTTPRoute", route))
    general = policies.get(("Gateway", gateway))
    chosen = own or general
    return limits_or_denial(chosen[0]) if chosen else []


def standings(snapshot: Snapshot, served: Mapping[Key, set[Key]]) -> tuple[dict[Key, Standing], dict[Key, Standing]]:
    """Standing of every AuthPolicy and every TokenRateLimitPolicy. `served`: the routes of each Gateway served here."""
    auth = {
        key(policy): standing(policy, rank, snapshot, served)
        for group in by_target(snapshot.auth_policies).values()
        for rank, policy in enumerate(group)
    }
    token = {
        key(policy): token_standing(policy, rank, snapshot, served)
        for group in by_target(snapshot.token_policies).values()
        for rank, policy in enumerate(group)
    }
    return auth, token


def standing(policy: Object, rank: int, snapshot: Snapshot, served: Mapping[Key, set[Key]]) -> Standing:
    """Accepted when its target exists; enforced when it is the effective one on something that is served."""
    kind, name = target(policy)
    known = snapshot.gateways if kind == "Gateway" else snapshot.routes if kind == "HTTPRoute" else {}
    if name not in known:
        return Standing("TargetNotFound", "", f"the {kind} {text(name)} does not exist")
    if rank > 0:
        return Standing("Accepted", "Overridden", "a newer policy on the same target is in force")
    attached = (
        served.get(name) if kind == "Gateway" else {route for routes in served.values() for route in routes} & {name}
    )
    if attached is None or (kind == "HTTPRoute" and not attached):
        return Standing("Accepted", "Unknown", f"the {kind} {text(name)} is not served here")
    return Standing("Accepted", "Enforced")


def token_standing(policy: Object, rank: int, snapshot: Snapshot, served: Mapping[Key, set[Key]]) -> Standing:
    """As `standing`, and its expressions must be readable."""
    found = standing(policy, rank, snapshot, served)
    if found.enforced != "Enforced":
        return found
    try:
        limits_of(policy)
    except ValueError as error:
        return Standing("Accepted", "InvalidCelExpression", str(error))
    return found
