"""When an object that was applied is in force: what its status and that of the policy made from it have to say.

Only status is asked, never an inference call, because a probe that costs quota would spoil the count that a check is about to take.
"""

from collections.abc import Iterator

from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Expectation, has_condition, has_phase
from harness.platforms.platform import ModelHandle
from harness.world.governance import MAAS, Policy, Subscription

TRLP = "kuadrant.io/v1alpha1"
TRLP_KIND = "TokenRateLimitPolicy"
LLMIS = "serving.kserve.io/v1alpha1"


def model_ref(model: ModelHandle) -> Ref:
    """The MaaSModelRef of a model."""
    return Ref(MAAS, "MaaSModelRef", model.name, model.namespace)


def limit_policy_ref(model: ModelHandle) -> Ref:
    """The TokenRateLimitPolicy that the controller makes for a model."""
    return Ref(TRLP, TRLP_KIND, f"maas-trlp-{model.name}", model.namespace)


def subscription_in_force(subscription: Subscription, *, with_limits: bool) -> Iterator[Expectation]:
    """Active, and each model's limit accepted and enforced (`with_limits`: only where such policies exist)."""
    yield active_as_it_is(subscription.ref)
    if with_limits:
        yield from (limit_enforced(subscription, model) for model in subscription.models)


def active_as_it_is(ref: Ref) -> Expectation:
    """Phase Active, said of the present specification: after an edit the phase is for a moment that of the one before."""

    def holds(manifest: Manifest | None) -> bool:
        if manifest is None or (manifest.get("status") or {}).get("phase") != "Active":
            return False
        generation = int(manifest["metadata"].get("generation") or 0)
        ready = condition(manifest, "Ready") or {}
        return int(ready.get("observedGeneration", generation)) >= generation

    return Expectation(ref, "phase Active of its present generation", holds)


def policy_in_force(policy: Policy) -> Iterator[Expectation]:
    """Active: the gateway enforces it."""
    yield has_phase(policy.ref, "Active")


def model_in_force(model: ModelHandle, backend: Ref, *, registered: bool, governed: bool) -> Iterator[Expectation]:
    """The backend is Ready and, where it is registered and governed, so is its MaaSModelRef."""
    yield has_condition(backend, "Ready")
    if registered and governed:
        yield has_phase(model_ref(model), "Ready")


def limit_stated(subscription: Subscription, model: ModelHandle) -> Expectation:
    """The subscription itself says that the model's limits are in force: a degraded one serves no other model (MAAS-STAT-023)."""

    def holds(manifest: Manifest | None) -> bool:
        items = ((manifest or {}).get("status") or {}).get("tokenRateLimitStatuses") or ()
        return any(item.get("model") == model.name and item.get("ready") is True for item in items)

    return Expectation(subscription.ref, f"stating that the limits of {model.name} are in force", holds)


def limit_enforced(subscription: Subscription, model: ModelHandle) -> Expectation:
    """The policy holds this subscription's limits, and is enforced in that generation or a later one.

    Checks that run in parallel change the same object all the time, so its newest generation may never be seen at rest.
    """
    key = f"{subscription.ref.namespace}-{subscription.name}-{model.name}-tokens"
    wanted = [(rate.limit, rate.window) for rate in subscription.rates]
    first: list[int] = []

    def holds(manifest: Manifest | None) -> bool:
        if manifest is None:
            return False
        limits = (manifest.get("spec") or {}).get("limits") or {}
        rates = [(rate.get("limit"), rate.get("window")) for rate in (limits.get(key) or {}).get("rates") or ()]
        if rates != wanted:
            return False
        if not first:
            first.append(int(manifest["metadata"].get("generation", 0)))
        enforced = condition(manifest, "Enforced")
        return (
            enforced is not None
            and enforced.get("status") == "True"
            and int(enforced.get("observedGeneration", first[0])) >= first[0]
        )

    return Expectation(limit_policy_ref(model), f"enforcing the limits of subscription {subscription.name}", holds)
