"""What objects say when something is wrong around them: no route, a name taken twice, an idle gateway, a policy of others."""

from harness.engine.declaration import check
from harness.kube.events import events_about
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Bound, exists
from harness.platforms.platform import ModelHandle
from harness.world.expectations import expect, expect_equal
from harness.world.force import model_ref
from harness.world.governance import MAAS, People, Policy
from harness.world.patience import until
from harness.world.tenant import await_object
from harness.world.twin import Variant
from harness.world.world import World

NEWS = Bound("an event follows the condition that it tells of", 10)


def expect_event(world: World, ref: Ref, severity: str, reason: str, *, naming: str) -> None:
    """The object has an event of that kind, whose message names something."""

    def told() -> bool:
        found = events_about(world.estate.cluster, ref)
        return any((one.severity, one.reason) == (severity, reason) and naming in one.message for one in found)

    seen, _ = until(told, bool, NEWS)
    news = [f"{one.severity} {one.reason}" for one in events_about(world.estate.cluster, ref)]
    expect(seen, expected=f"a {severity} event {reason} of {ref} that names {naming}", observed=repr(news))


def reason_of(manifest: Manifest, kind: str) -> tuple[object, object]:
    """Status and reason of a condition."""
    found = condition(manifest, kind) or {}
    return found.get("status"), found.get("reason")


def governed(world: World, model: ModelHandle) -> tuple[Ref, Ref]:
    """A subscription and a policy of the model that may never come into force."""
    who = world.identity()
    subscription = world.subscription(who, models=model, awaited=False)
    return subscription.ref, world.policy(who, models=model, awaited=False).ref


@check("MAAS-STAT-006", "MAAS-STAT-023", needs={"kube", "models"})
def test_a_model_without_a_route_waits_for_it(world: World) -> None:
    twin = world.new_model(governed=False, variant=Variant(routed=False))
    subscription, _ = governed(world, twin.handle)
    world.settle()
    world.expect_condition(model_ref(twin.handle), "GovernanceAttached", "True")
    found = world.expect_phase(model_ref(twin.handle), "Pending", "Failed", "Ready", "Unhealthy")
    expect_equal(found["status"]["phase"], "Pending", of="phase without a route", requirement="MAAS-STAT-006")
    said = str((condition(found, "Ready") or {}).get("message"))
    expect(
        "Waiting for HTTPRoute to be created" in said,
        expected="Waiting for HTTPRoute to be created",
        observed=repr(said),
        requirement="MAAS-STAT-006",
    )
    degraded = world.expect_phase(subscription, "Degraded")
    items = [
        (item["ready"], item["reason"])
        for item in degraded["status"].get("tokenRateLimitStatuses") or ()
        if item.get("model") == twin.handle.name
    ]
    expect_equal(items, [(False, "BackendNotReady")], of="tokenRateLimitStatuses", requirement="MAAS-STAT-023")


@check("MAAS-STAT-010", needs={"kube", "models"})
def test_two_models_of_one_name_are_both_told(world: World) -> None:
    shared = Variant(served_name=f"{world.name}-shared")
    one, other = world.new_model(variant=shared), world.new_model(variant=shared)
    who = world.identity()
    world.subscription(who, models=(one.handle, other.handle))
    world.policy(who, models=(one.handle, other.handle))
    world.settle()
    for mine, peer in ((one, other), (other, one)):
        ref = model_ref(mine.handle)
        world.expect_condition(ref, "ModelIdentityUnique", "False")
        found = world.expect_phase(ref, "Ready")
        expect_equal(reason_of(found, "ModelIdentityUnique"), ("False", "ModelNameConflict"), of=f"condition of {ref}")
        expect_event(world, ref, "Warning", "ModelNameConflict", naming=peer.handle.name)
    world.withdraw(model_ref(other.handle))
    kept = model_ref(one.handle)
    world.expect_condition(kept, "ModelIdentityUnique", "True")
    found = world.expect_phase(kept, "Ready")
    expect_equal(reason_of(found, "ModelIdentityUnique"), ("True", "UniqueIdentity"), of=f"condition of {kept}")
    expect_event(world, kept, "Normal", "ModelNameConflictResolved", naming=shared.served_name or "")


@check("MAAS-STAT-032", needs={"kube", "kuadrant", "models", "tenants"})
def test_access_waits_until_the_gateway_enforces_it(world: World) -> None:
    """A tenant whose gateway is of a class that nobody implements, so that its AuthPolicy is never enforced; then of one that is served."""
    tenant, cluster = world.tenant(opened=False), world.estate.cluster
    idle = tenant.gateway_manifest()
    idle["spec"] = {**idle["spec"], "gatewayClassName": f"{tenant.name}-nobodys"}
    cluster.apply(idle)
    cluster.apply(tenant.manifest())
    await_object(tenant, exists(tenant.config))
    ref = Ref(MAAS, "MaaSAuthPolicy", f"{world.name}-waits", tenant.namespace)
    policy = Policy(ref, People(groups=(world.name,)), (world.model(),))
    world.declare(policy.manifest())
    world.settle()
    found = world.expect_phase(policy.ref, "Pending", "Active", "Failed", "Degraded")
    expect_equal(found["status"]["phase"], "Pending", of="phase while the gateway enforces nothing")
    said = str((condition(found, "Ready") or {}).get("message"))
    expected = "Waiting for gateway AuthPolicy"
    expect(expected in said, expected=f"a Ready condition that says {expected} …", observed=repr(said))
    cluster.apply(tenant.gateway_manifest())
    world.expect_condition(tenant.auth_policy, "Enforced", "True")
    world.expect_phase(policy.ref, "Active")


@check("MAAS-STAT-033", needs={"kube", "models", "kuadrant", "disposable"})
def test_an_access_policy_of_others_on_a_models_route_is_pointed_out(world: World) -> None:
    twin = world.new_model()
    who = world.identity()
    world.subscription(who, models=twin.handle)
    policy = world.policy(who, models=twin.handle)
    world.settle()
    ready = world.expect_phase(model_ref(twin.handle), "Ready")["status"]
    expect_equal(conflict(world, policy.ref), ("False", "NoConflict"), of="ConflictingAuthPolicy before")
    foreign = stranger(f"{world.name}-foreign", twin.handle.namespace, ready["httpRouteName"])
    world.declare(foreign)
    world.settle()
    world.expect_condition(policy.ref, "ConflictingAuthPolicy", "True")
    expect_equal(conflict(world, policy.ref), ("True", "ConflictDetected"), of="ConflictingAuthPolicy meanwhile")
    expect_event(world, policy.ref, "Warning", "ConflictingAuthPolicy", naming=foreign["metadata"]["name"])
    world.withdraw(Ref.of(foreign))
    world.expect_condition(policy.ref, "ConflictingAuthPolicy", "False")
    expect_equal(conflict(world, policy.ref), ("False", "NoConflict"), of="ConflictingAuthPolicy afterwards")
    expect_event(world, policy.ref, "Normal", "ConflictingAuthPolicyResolved", naming="")


def conflict(world: World, policy: Ref) -> tuple[object, object]:
    """What an access policy says of other hands' policies."""
    return reason_of(world.estate.cluster.get(policy) or {}, "ConflictingAuthPolicy")


def stranger(name: str, namespace: str, route: str) -> Manifest:
    """An AuthPolicy that somebody else puts on a route; it lets nobody in."""
    nobody = {"patternMatching": {"patterns": [{"predicate": "false"}]}}
    return {
        "apiVersion": "kuadrant.io/v1",
        "kind": "AuthPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "targetRef": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": route},
            "rules": {"authorization": {"nobody": nobody}},
        },
    }
