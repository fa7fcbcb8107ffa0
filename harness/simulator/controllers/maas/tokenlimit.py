"""The TokenRateLimitPolicy of a model: one limit for each subscription that lists it."""

import hashlib
import json
import re
from typing import Any

from harness.simulator.controllers.maas.names import (
    SUBSCRIPTIONS_ANNOTATION,
    limit_name,
    policy_labels,
    policy_name,
    selected_subscription,
)
from harness.simulator.controllers.maas.quirks import Quirk, Quirks
from harness.simulator.controllers.runtime.manifest import Key, Manifest, generation, key_of, owner_reference, spec

WINDOW = re.compile(r"([1-9]\d{0,3})([smh])")
SECONDS = {"s": 1, "m": 60, "h": 3600}
LONGEST_WINDOW_S = 366 * 24 * 3600
SHUT = ({"limit": 0, "window": "1m"},)
COUNTER = "auth.identity.userid"
# `request.path` holds the query too: upstream's comparison lets `...?x=/v1/models` pass for a listing, which costs nothing
NOT_LISTING = '!request.path.matches("^[^?]*/v1/models([?].*)?$")'
QUIRKY_LISTING = '!request.path.endsWith("/v1/models")'


def window_seconds(window: str) -> int | None:
    """Length of a window such as `10s`; None when it is malformed or longer than 366 days."""
    match = WINDOW.fullmatch(window)
    if match is None:
        return None
    seconds = int(match[1]) * SECONDS[match[2]]
    return seconds if seconds <= LONGEST_WINDOW_S else None


def entry_of(subscription: Manifest, model: Key) -> dict[str, Any] | None:
    """The first entry of a subscription for the model: a second one for the same model counts for nothing."""
    for reference in spec(subscription).get("modelRefs") or ():
        if Key(reference.get("namespace") or "", reference.get("name") or "") == model:
            return dict(reference)
    return None


def rates_of(subscription: Manifest, model: Key) -> list[dict[str, Any]] | None:
    """The subscription's limits for the model, verbatim; None when one of them cannot be enforced."""
    entry = entry_of(subscription, model) or {}
    rates = [{"limit": rate["limit"], "window": rate["window"]} for rate in entry.get("tokenRateLimits") or ()]
    if not rates or any(window_seconds(str(rate["window"])) is None for rate in rates):
        return None
    return rates


def limits(subscriptions: list[Manifest], model: Key, quirks: Quirks = frozenset()) -> dict[str, Any]:
    """The policy's limits by name.

    A subscription whose limits cannot be enforced gets a limit of zero: without any, its users would be unlimited (upstream's
    weakness). Two subscriptions whose names run together to the same limit name are told apart by a digest.
    """
    priced = QUIRKY_LISTING if Quirk.QUERY_PASSES_FOR_LISTING in quirks else NOT_LISTING
    result: dict[str, Any] = {}
    for subscription in sorted(subscriptions, key=key_of):
        key = key_of(subscription)
        rates = rates_of(subscription, model)
        if rates is None and Quirk.REFUSED_WINDOW_IS_NO_LIMIT in quirks:
            continue
        name = limit_name(key, model)
        if name in result and Quirk.LIMIT_NAMES_COLLIDE not in quirks:
            name = f"{name}-{hashlib.sha256(str(key).encode()).hexdigest()[:8]}"
        chosen = f'auth.identity.selected_subscription_key == "{selected_subscription(key, model)}"'
        result[name] = {
            "rates": list(SHUT) if rates is None else rates,
            "when": [{"predicate": f"{chosen} && {priced}"}],
            "counters": [{"expression": COUNTER}],
        }
    return result


def limit_of(policy: Manifest, subscription: Key, model: Key) -> tuple[str, dict[str, Any]] | None:
    """Name and content of a subscription's limit inside a policy, found by what it compares; None when it has none."""
    wanted = f'"{selected_subscription(subscription, model)}"'
    for name, limit in (spec(policy).get("limits") or {}).items():
        if any(wanted in str(condition.get("predicate")) for condition in limit.get("when") or ()):
            return name, limit
    return None


def limit_policy(
    model: Key, route: Manifest, subscriptions: list[Manifest], quirks: Quirks = frozenset()
) -> Manifest | None:
    """The policy object; None when no subscription gives it a limit. It goes with the route, which owns it."""
    wanted = limits(subscriptions, model, quirks)
    if not wanted:
        return None
    names = sorted(str(key_of(subscription)) for subscription in subscriptions)
    target = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": route["metadata"]["name"]}
    return {
        "apiVersion": "kuadrant.io/v1alpha1",
        "kind": "TokenRateLimitPolicy",
        "metadata": {
            "name": policy_name(model),
            "namespace": route["metadata"]["namespace"],
            "labels": policy_labels(model),
            "annotations": {SUBSCRIPTIONS_ANNOTATION: ",".join(names)},
            "ownerReferences": [owner_reference(route)],
        },
        "spec": {"targetRef": target, "limits": wanted},
    }


class Ledger:
    """Since which generation of a policy each limit is in it as it is now.

    Without this, a subscription would have to wait until the policy stands still, which under a load of new subscriptions it
    does not do for long.
    """

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], tuple[str, int]] = {}

    def note(self, policy: Manifest) -> None:
        """Take in the policy as the API server answered the write."""
        uid = policy["metadata"]["uid"]
        present = spec(policy).get("limits") or {}
        for name, limit in present.items():
            content = _text(limit)
            known = self._since.get((uid, name))
            if known is None or known[0] != content:
                self._since[uid, name] = (content, generation(policy))
        for entry in [entry for entry in self._since if entry[0] == uid and entry[1] not in present]:
            del self._since[entry]

    def forget(self, policy: Manifest) -> None:
        """The policy is gone."""
        uid = policy["metadata"]["uid"]
        for entry in [entry for entry in self._since if entry[0] == uid]:
            del self._since[entry]

    def since(self, policy: Manifest, name: str) -> int:
        """The generation that must be enforced for the limit to be.

        The latest one when this process has not written it, or has not been answered yet: the event may come before the answer.
        """
        limit = (spec(policy).get("limits") or {}).get(name)
        content, noted = self._since.get((policy["metadata"]["uid"], name), ("", 0))
        return min(noted, generation(policy)) if content == _text(limit) else generation(policy)


def _text(limit: Any) -> str:
    return json.dumps(limit, sort_keys=True)
