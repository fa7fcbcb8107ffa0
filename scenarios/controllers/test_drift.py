"""The limits of a model in the hands of others: repaired when somebody edits or deletes them, and never gone while subscriptions change."""

from harness.engine.declaration import check
from harness.engine.failure import NotReady
from harness.kube.manifest import Manifest
from harness.kube.wait import Expectation, is_gone
from harness.platforms.platform import ModelHandle
from harness.world.expectations import expect, expect_refused, quota_refusal
from harness.world.force import limit_enforced, limit_policy_ref
from harness.world.governance import Subscription
from harness.world.quota import spend
from harness.world.traffic import Traffic
from harness.world.world import World


def key_of(subscription: Subscription, model: ModelHandle) -> str:
    """What a limit is called."""
    return f"{subscription.ref.namespace}-{subscription.name}-{model.name}-tokens"


def only(policy: Manifest | None, key: str) -> bool:
    """Whether that is the policy's one limit."""
    return policy is not None and list((policy.get("spec") or {}).get("limits") or {}) == [key]


def _uid(manifest: Manifest) -> str:
    return str(manifest.get("metadata", {}).get("uid"))


@check("MAAS-CTRL-003", needs={"kube", "kuadrant", "models"})
def test_deleting_one_of_two_subscriptions_never_leaves_the_other_without_its_limit(world: World) -> None:
    twin = world.new_model()
    who = world.identity()
    kept, doomed = world.subscription(who, models=twin.handle), world.subscription(who, models=twin.handle)
    world.policy(who, models=twin.handle)
    world.settle()
    ref = limit_policy_ref(twin.handle)
    items, version = world.estate.cluster.list_at(ref.api_version, ref.kind, namespace=ref.namespace)
    assert any(item["metadata"]["name"] == ref.name for item in items)
    world.withdraw(doomed.ref)
    gone = Expectation(
        ref, "without the deleted subscription's limit", lambda found: only(found, key_of(kept, twin.handle))
    )
    world.expect_becomes(gone)
    for kind, seen in world.estate.cluster.watch(
        ref.api_version, ref.kind, namespace=ref.namespace, resource_version=version, timeout_s=1
    ):
        if seen["metadata"]["name"] != ref.name:
            continue
        expect(kind != "DELETED", expected="the policy stays throughout", observed="it was deleted in between")
        expect(
            key_of(kept, twin.handle) in seen["spec"]["limits"],
            expected="the other subscription's limit in every version of the policy",
            observed=repr(sorted(seen["spec"]["limits"])),
        )
        if only(seen, key_of(kept, twin.handle)):
            return
    raise NotReady("the watch did not show how the policy changed, so nothing can be said of what was in between")


@check("MAAS-CTRL-003", "MAAS-RATE-001", needs={"kube", "models"})
def test_a_spent_budget_stays_spent_while_other_subscriptions_of_the_model_come_and_go(world: World) -> None:
    """Somebody without budget calls steadily meanwhile: a moment without limits would be an answer, one without access a 403."""
    twin = world.new_model()
    who = world.identity()
    kept = world.subscription(who, models=twin.handle, limit=60)
    world.policy(who, models=twin.handle)
    caller = world.subscriber(who, kept)
    spend(caller.infer, limit=60)
    with Traffic(caller.infer) as traffic:
        for _ in range(2):
            other = world.subscription(who, models=twin.handle)
            world.settle()
            world.withdraw(other.ref)
            world.expect_becomes(is_gone(other.ref))
    for exchange in traffic.exchanges:
        expect_refused(exchange, 429, quota_refusal, when="the budget was spent before other subscriptions changed")


@check("MAAS-CTRL-009", needs={"kube", "kuadrant", "models", "disposable"})
def test_a_policy_that_somebody_deletes_or_edits_comes_back(world: World) -> None:
    twin = world.new_model()
    who = world.identity()
    subscription = world.subscription(who, models=twin.handle, limit=11, window="3m")
    world.policy(who, models=twin.handle)
    world.settle()
    ref, key = limit_policy_ref(twin.handle), key_of(subscription, twin.handle)
    before = world.estate.cluster.get(ref) or {}

    def whole(found: Manifest | None) -> bool:
        return found is not None and found["spec"] == before["spec"]

    for edit in (
        {"rates": [{"limit": 999_999, "window": "3m"}]},
        {"when": [{"predicate": "false"}]},
        {"counters": [{"expression": "request.id"}]},
        None,
    ):
        spare = {"spare": {"rates": [{"limit": 1, "window": "1h"}]}} if edit is None else {}
        world.estate.cluster.patch(ref, {"spec": {"limits": {key: edit, **spare}}})
        world.expect_becomes(Expectation(ref, f"as it was before somebody wrote {edit}", whole))
    world.expect_becomes(limit_enforced(subscription, twin.handle))
    world.estate.cluster.delete(ref)
    world.expect_becomes(Expectation(ref, "made anew", lambda found: found is not None and _uid(found) != _uid(before)))
    world.expect_becomes(Expectation(ref, "as it was before somebody deleted it", whole))
    world.expect_becomes(limit_enforced(subscription, twin.handle))
