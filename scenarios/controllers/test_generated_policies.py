"""What becomes of the policies that the controller writes: which it writes, which it leaves alone, and what it keeps of others' marks."""

import json
from typing import Any

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Bound, Expectation, exists
from harness.platforms.platform import ModelHandle
from harness.world.expectations import expect, expect_equal
from harness.world.force import TRLP, TRLP_KIND, limit_policy_ref
from harness.world.governance import MAAS, People, Policy, Rate, Subscription
from harness.world.patience import until
from harness.world.world import World

MANAGED = "opendatahub.io/managed"
AT_REST = Bound("ready_bound_s of a repair", 10)


def gateway_policy(world: World) -> Ref:
    """The one AuthPolicy of the MaaS gateway."""
    return Ref("kuadrant.io/v1", "AuthPolicy", "maas-gateway-auth", world.wire.platform.namespaces.gateway)


def stored(world: World, ref: Ref) -> Manifest:
    """The object as it is now; a finding when there is none."""
    found = world.estate.cluster.get(ref)
    expect(found is not None, expected=f"{ref}", observed="it does not exist")
    return found or {}


def rates(policy: Manifest) -> list[Any]:
    """The rates of every limit, in the order of their names."""
    limits = policy["spec"].get("limits") or {}
    return [limits[name].get("rates") for name in sorted(limits)]


def let_the_controller_look(world: World) -> None:
    """Return when the controller has worked on something that came later than all that was done so far."""
    who = world.identity()
    world.subscription(who, limit=1)
    world.policy(who)
    world.settle()


def edit_and_await_notice(world: World, subscription: Subscription, *limits: Rate) -> None:
    """Change the limits and wait until the controller has seen that, whatever it makes of it."""
    edited = Subscription(subscription.ref, subscription.owner, subscription.models, limits)
    generation = world.estate.cluster.apply(edited.manifest())["metadata"]["generation"]

    def noticed(manifest: Manifest | None) -> bool:
        ready = condition(manifest, "Ready") if manifest else None
        return ready is not None and int(ready.get("observedGeneration", 0)) >= generation

    world.expect_becomes(Expectation(edited.ref, f"noticed in generation {generation}", noticed))


@check("MAAS-CTRL-006", needs={"kube", "models", "kuadrant"})
def test_a_subscription_means_the_model_of_that_namespace_alone(world: World) -> None:
    twin = world.new_model(governed=False)
    elsewhere = world.namesake(twin, world.space("elsewhere"))
    mine = world.subscription(world.identity(), models=twin.handle, limit=5, window="1m")
    world.settle()
    let_the_controller_look(world)
    found = world.estate.cluster.objects(TRLP, TRLP_KIND, namespace=elsewhere.handle.namespace)
    expect_equal([one["metadata"]["name"] for one in found], [], of="policies of a namesake that nobody subscribed to")
    theirs = world.subscription(world.identity(), models=elsewhere.handle, limit=7, window="1m", awaited=False)
    world.settle()
    world.expect_becomes(exists(limit_policy_ref(elsewhere.handle)))
    for handle, limit, owner in ((twin.handle, 5, mine), (elsewhere.handle, 7, theirs)):
        policy = stored(world, limit_policy_ref(handle))
        wanted = [[{"limit": limit, "window": "1m"}]]
        expect_equal(rates(policy), wanted, of=f"rates at {handle.namespace}/{handle.name} ({owner.name})")


@check("MAAS-CTRL-012", needs={"kube", "models", "kuadrant"})
def test_an_edit_that_changes_nothing_writes_nothing(world: World) -> None:
    twin = world.new_model()
    who = world.identity()
    subscription, policy = world.subscription(who, models=twin.handle), world.policy(who, models=twin.handle)
    world.settle()
    ref = limit_policy_ref(twin.handle)
    before = stored(world, ref)["metadata"]["generation"]
    for touched in (subscription.ref, policy.ref):
        world.estate.cluster.patch(touched, {"metadata": {"annotations": {"maas-conformance.dev/touched": "yes"}}})
    let_the_controller_look(world)
    expect_equal(
        stored(world, ref)["metadata"]["generation"], before, of=f"generation of {ref} after an annotation changed"
    )
    world.change_rates(subscription, Rate(17, "1m"))
    after = stored(world, ref)["metadata"]["generation"]
    expect(after > before, expected=f"a generation of {ref} above {before} once its limit changed", observed=f"{after}")


@check("MAAS-CTRL-012", "MAAS-CTRL-015", needs={"kube", "models", "tenants", "kuadrant"})
def test_the_gateways_policy_is_not_written_again_for_quota_and_access(world: World) -> None:
    """A tenant that all checks leave as it is: what others do there meanwhile are quota and access as well."""
    tenant = world.common_tenant()
    who = tenant.identity("team")
    subscription, policy = tenant.subscription(who), tenant.policy(who)
    tenant.settle()
    before = stored(world, tenant.auth_policy)["metadata"]["generation"]
    for touched in (subscription.ref, policy.ref):
        world.estate.cluster.patch(touched, {"metadata": {"annotations": {"maas-conformance.dev/touched": "yes"}}})
    group = f"{world.name}-unmistakable"
    tenant.policy((tenant.identity("team"), group))
    tenant.subscription(group, limit=17)
    tenant.settle()
    after = stored(world, tenant.auth_policy)
    expect(group not in json.dumps(after), expected=f"no {group} in the gateway's policy", observed="it is named there")
    expect_equal(after["metadata"]["generation"], before, of=f"generation of {tenant.auth_policy}")


@check("MAAS-CTRL-013", needs={"kube", "models", "kuadrant", "disposable"})
def test_a_policy_marked_as_not_managed_is_neither_updated_nor_deleted(world: World) -> None:
    twin = world.new_model(governed=False)
    subscription = world.subscription(world.identity(), models=twin.handle, limit=11, window="1m")
    world.settle()
    ref = limit_policy_ref(twin.handle)
    world.estate.cluster.patch(ref, {"metadata": {"annotations": {MANAGED: "true"}}})
    edited = world.change_rates(subscription, Rate(12, "1m"))
    expect_equal(rates(stored(world, ref)), [[{"limit": 12, "window": "1m"}]], of=f'rates while {MANAGED} is "true"')
    world.estate.cluster.patch(ref, {"metadata": {"annotations": {MANAGED: "false"}}})
    edit_and_await_notice(world, edited, Rate(13, "1m"))
    expect_equal(rates(stored(world, ref)), [[{"limit": 12, "window": "1m"}]], of=f'rates while {MANAGED} is "false"')
    world.withdraw(subscription.ref)
    let_the_controller_look(world)
    orphan = stored(world, ref)
    expect_equal(rates(orphan), [[{"limit": 12, "window": "1m"}]], of="rates of the orphan")
    expect("deletionTimestamp" not in orphan["metadata"], expected="the policy stays", observed="it is being deleted")


@check("MAAS-CTRL-014", needs={"kube", "models", "kuadrant", "disposable"})
def test_marks_of_others_survive_the_controllers_updates(world: World) -> None:
    twin = world.new_model(governed=False)
    subscription = world.subscription(world.identity(), models=twin.handle)
    world.settle()
    mark, gateway = f"maas-conformance.dev/{world.name}", gateway_policy(world)
    ref = limit_policy_ref(twin.handle)
    try:
        for one in (ref, gateway):
            world.estate.cluster.patch(one, {"metadata": {"labels": {mark: "kept"}, "annotations": {mark: "kept"}}})
        world.change_rates(subscription, Rate(17, "1m"))
        let_the_controller_look(world)
        for one in (ref, gateway):
            metadata = stored(world, one)["metadata"]
            found = [(metadata.get(field) or {}).get(mark) for field in ("labels", "annotations")]
            expect_equal(found, ["kept", "kept"], of=f"foreign label and annotation of {one}")
    finally:
        world.estate.cluster.patch(gateway, {"metadata": {"labels": {mark: None}, "annotations": {mark: None}}})


@check("MAAS-CTRL-015", needs={"kube", "kuadrant"})
def test_nothing_of_an_access_policy_is_written_into_the_gateways(world: World) -> None:
    before = stored(world, gateway_policy(world))["spec"]
    somebody = world.identity()
    group = f"{world.name}-unmistakable"
    world.policy((somebody, group))
    world.settle()
    text = json.dumps(stored(world, gateway_policy(world)))
    for name in (group, somebody.username):
        expect(name not in text, expected=f"no {name} in the gateway's policy", observed="it names them")
    # a check of drift may have the same policy edited for a moment, so its rest is awaited
    after, _ = until(lambda: stored(world, gateway_policy(world))["spec"], lambda spec: spec == before, AT_REST)
    expect_equal(after, before, of="spec of the gateway's AuthPolicy after an access policy was added")


@check("MAAS-CTRL-016", needs={"kube"})
def test_quota_and_access_outside_tenants_are_ignored(world: World) -> None:
    """The namespace has a MaasTenantConfig, so that it takes such objects, and no label of a tenant."""
    namespace, model = world.space("stray"), world.model()
    world.declare(
        {
            "apiVersion": MAAS,
            "kind": "MaasTenantConfig",
            "metadata": {"name": "default-tenant", "namespace": namespace},
            "spec": {},
        }
    )
    world.settle()
    subscription, policy = stray_objects(world, namespace, model)
    world.declare(subscription.manifest(), policy.manifest())
    world.settle()
    let_the_controller_look(world)
    for ref in (subscription.ref, policy.ref):
        found = stored(world, ref)
        expect_equal(found["metadata"].get("finalizers") or [], [], of=f"finalizers of {ref}")
        expect_equal((found.get("status") or {}).get("phase") or "", "", of=f"phase of {ref}")


def stray_objects(world: World, namespace: str, model: ModelHandle) -> tuple[Subscription, Policy]:
    """Quota and access of a group, in a namespace that is no tenant's."""
    people = People(groups=(world.name,))
    return (
        Subscription(
            Ref(MAAS, "MaaSSubscription", f"{world.name}-stray", namespace), people, (model,), (Rate(9, "1m"),)
        ),
        Policy(Ref(MAAS, "MaaSAuthPolicy", f"{world.name}-stray", namespace), people, (model,)),
    )
