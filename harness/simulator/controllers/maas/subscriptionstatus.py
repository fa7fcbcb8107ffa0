"""What a MaaSSubscription says of itself: each model it lists, each policy that carries its limits, and its phase."""

from dataclasses import dataclass
from typing import Any

from harness.simulator.controllers.maas.backend import Backend
from harness.simulator.controllers.maas.names import policy_name
from harness.simulator.controllers.maas.quirks import Quirk, Quirks
from harness.simulator.controllers.maas.tokenlimit import Ledger, limit_of, rates_of
from harness.simulator.controllers.runtime.condition import Condition, find, holds, truth, update
from harness.simulator.controllers.runtime.manifest import Key, Manifest, generation, key_of, spec, status

DUPLICATE = "SpecPriorityDuplicate"
NAMED_PEERS = 8
LONGEST_MESSAGE = 1024


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that a subscription lists, as found: None where the model, its backend or its policy does not exist.

    `elder`: an older model behind the same route, whose limits are the ones in force there.
    """

    model: Key
    exists: bool
    gateway: Key
    backend: Backend | None = None
    policy: Manifest | None = None
    elder: Key | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the model's route leads to a gateway that is not the subscription's tenant's."""
        found = self.backend
        if found is None or found.route is None:
            return False
        return not found.attached or found.gateway != self.gateway


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a subscription's limit is in force, and in the catalogue's words why not.

    `passing`: nothing is in its way, so it will be in a moment.
    """

    ready: bool
    reason: str
    message: str
    passing: bool = False


NOT_CREATED = Verdict(False, "NotFound", "TokenRateLimitPolicy not created yet", passing=True)
SHUT = Verdict(False, "InvalidSpec", "a window is longer than 366 days: the model is shut for this subscription")
UNNOTICED = Verdict(True, "Accepted", "TokenRateLimitPolicy is accepted")


def judge(subscription: Manifest, listed: Listed, ledger: Ledger, quirks: Quirks = frozenset()) -> Verdict:
    """Whether the limit for one existing model is in force."""
    if listed.backend is None or listed.backend.route is None:
        text = listed.backend.message if listed.backend is not None else "the model has no route"
        return Verdict(False, "BackendNotReady", text)
    if listed.is_elsewhere:
        text = f"HTTPRoute {listed.backend.route_key} is not attached to tenant gateway {listed.gateway}"
        return Verdict(False, "BackendNotReady", text)
    if rates_of(subscription, listed.model) is None:
        return UNNOTICED if Quirk.REFUSED_WINDOW_IS_NO_LIMIT in quirks else SHUT
    if listed.elder is not None:
        text = f"HTTPRoute {listed.backend.route_key} is limited for the older MaaSModelRef {listed.elder} already"
        return Verdict(False, "NotEnforced", text)
    if listed.policy is None:
        return NOT_CREATED
    return judge_policy(subscription, listed.model, listed.policy, ledger)


def judge_policy(subscription: Manifest, model: Key, policy: Manifest, ledger: Ledger) -> Verdict:
    """Whether the model's policy carries the subscription's limits as they are now, and the gateway enforces them."""
    found = limit_of(policy, key_of(subscription), model)
    if found is None:
        return NOT_CREATED
    name, limit = found
    if limit.get("rates") != rates_of(subscription, model):
        return Verdict(False, "NotEnforced", "TokenRateLimitPolicy does not carry the latest limits yet", passing=True)
    conditions = status(policy).get("conditions")
    if not holds(conditions, "Accepted"):
        why = _why(conditions, "Accepted", "TokenRateLimitPolicy is not accepted")
        return Verdict(False, "NotAccepted", why, passing=not conditions)
    if not holds(conditions, "Enforced", ledger.since(policy, name)):
        why = _why(conditions, "Enforced", "TokenRateLimitPolicy is not enforced yet")
        return Verdict(False, "NotEnforced", why, passing=holds(conditions, "Enforced"))
    return Verdict(True, "Accepted", "TokenRateLimitPolicy is accepted and enforced")


def is_coming_into_force(subscription: Manifest, listed: list[Listed], ledger: Ledger, quirks: Quirks) -> bool:
    """Whether a subscription is not in force yet and nothing but the next words of controller and gateway is missing."""
    verdicts = [judge(subscription, one, ledger, quirks) for one in listed if one.exists]
    waiting = [verdict for verdict in verdicts if not verdict.ready]
    return len(verdicts) == len(listed) and bool(waiting) and all(verdict.passing for verdict in waiting)


def duplicate_priority(subscription: Manifest, peers: list[Manifest]) -> Condition:
    """Whether other subscriptions of the namespace have the same priority.

    Only the first few are named, so that in a crowd the sentence does not change with every arrival.
    """
    observed = generation(subscription)
    names = sorted(peer["metadata"]["name"] for peer in peers)
    if not names:
        return Condition(DUPLICATE, "False", "NoDuplicatePeers", "no other subscription has this priority", observed)
    shown = ", ".join(names[:NAMED_PEERS]) + (" and others" if len(names) > NAMED_PEERS else "")
    priority = int(spec(subscription).get("priority") or 0)
    return Condition(DUPLICATE, "True", "SharedPriority", f"priority {priority} is shared with {shown}", observed)


def subscription_status(
    subscription: Manifest,
    listed: list[Listed],
    peers: list[Manifest],
    ledger: Ledger,
    now: str,
    quirks: Quirks = frozenset(),
) -> dict[str, Any]:
    """The whole status."""
    existing = [one for one in listed if one.exists]
    verdicts = [(one, judge(subscription, one, ledger, quirks)) for one in existing]
    phase, reason, message = summary(listed, verdicts)
    ready = Condition("Ready", truth(phase == "Active"), reason, message, generation(subscription))
    before = status(subscription).get("conditions")
    return {
        "phase": phase,
        "conditions": update(before, [ready, duplicate_priority(subscription, peers)], now),
        "modelRefStatuses": [_model_entry(one) for one in listed],
        "tokenRateLimitStatuses": [_policy_entry(one, verdict) for one, verdict in verdicts],
    }


def summary(listed: list[Listed], verdicts: list[tuple[Listed, Verdict]]) -> tuple[str, str, str]:
    """Phase, reason and sentence for the whole subscription."""
    missing = [str(one.model) for one in listed if not one.exists]
    if not verdicts:
        return "Failed", "ReconcileFailed", f"no listed model exists: {', '.join(missing)}"
    strangers = [(one, verdict) for one, verdict in verdicts if one.is_elsewhere]
    if len(strangers) == len(verdicts) == len(listed):
        return "Failed", "ReconcileFailed", "; ".join(verdict.message for _, verdict in strangers)
    waiting = [f"{one.model}: {verdict.message}" for one, verdict in verdicts if not verdict.ready]
    if missing:
        text = "; ".join([f"models not found: {', '.join(missing)}", *waiting])
        return "Degraded", "PartialFailure", text
    if waiting:
        return "Degraded", "PartialFailure", "; ".join(waiting)
    return "Active", "Reconciled", "every listed model exists and its limits are enforced"


def _model_entry(one: Listed) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": one.model.name, "namespace": one.model.namespace, "ready": one.exists}
    if one.exists:
        return entry | {"reason": "Valid", "message": "MaaSModelRef found"}
    return entry | {"reason": "NotFound", "message": f"MaaSModelRef {one.model} not found"}


def _policy_entry(one: Listed, verdict: Verdict) -> dict[str, Any]:
    metadata = one.policy["metadata"] if one.policy is not None else {}
    return {
        "name": metadata.get("name") or policy_name(one.model),
        "namespace": metadata.get("namespace") or one.model.namespace,
        "model": one.model.name,
        "ready": verdict.ready,
        "reason": verdict.reason,
        "message": verdict.message[:LONGEST_MESSAGE],
    }


def _why(conditions: list[Manifest] | None, kind: str, otherwise: str) -> str:
    entry = find(conditions, kind)
    if entry is None or entry.get("status") == "True" or not entry.get("message"):
        return otherwise
    return f"{otherwise}: {entry['message']}"
