"""The limits that the controller writes for a model: one policy on the model's route, one limit for each subscription."""

from typing import Any, Final

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref
from harness.platforms.platform import ModelHandle, Need
from harness.world.expectations import expect, expect_equal
from harness.world.force import limit_policy_ref
from harness.world.governance import Rate, Subscription
from harness.world.world import World

NEEDS: Final[tuple[Need, ...]] = ("kube", "models", "kuadrant")
ROUTES: Final = "gateway.networking.k8s.io/v1"
SUBSCRIPTIONS: Final = "maas.opendatahub.io/subscriptions"
RATES: Final = (Rate(123, "7m"), Rate(4567, "24h"))


def policy_of(world: World, model: ModelHandle) -> Manifest:
    """The model's TokenRateLimitPolicy; a finding when there is none."""
    ref = limit_policy_ref(model)
    found = world.estate.cluster.get(ref)
    expect(found is not None, expected=f"{ref}", observed="it does not exist")
    return found or {}


def route_of(world: World, policy: Manifest) -> Manifest:
    """The HTTPRoute that the policy targets; a finding when it targets something else, or nothing that there is."""
    target = policy["spec"]["targetRef"]
    expect_equal((target["group"], target["kind"]), (ROUTES.partition("/")[0], "HTTPRoute"), of="kind of the target")
    ref = Ref(ROUTES, "HTTPRoute", target["name"], policy["metadata"]["namespace"])
    found = world.estate.cluster.get(ref)
    expect(found is not None, expected=f"{ref}, in the policy's own namespace", observed="it does not exist")
    return found or {}


@check("MAAS-RATE-014", needs=NEEDS)
def test_the_policy_of_a_model_belongs_to_its_route_and_names_its_subscriptions(world: World) -> None:
    twin, who = world.new_model(governed=False), world.identity()
    made = [world.subscription(who, models=twin.handle) for _ in range(3)]
    world.settle()
    policy = policy_of(world, twin.handle)
    route = route_of(world, policy)
    metadata = policy["metadata"]
    labels = {
        "maas.opendatahub.io/model": twin.handle.name,
        "maas.opendatahub.io/model-namespace": twin.handle.namespace,
        "app.kubernetes.io/managed-by": "maas-controller",
        "app.kubernetes.io/part-of": "maas-subscription",
        "app.kubernetes.io/component": "token-rate-limit-policy",
    }
    shown = {name: (metadata.get("labels") or {}).get(name) for name in labels}
    expect_equal(shown, labels, of="labels of the policy")
    told = str((metadata.get("annotations") or {}).get(SUBSCRIPTIONS))
    wanted = sorted(f"{one.ref.namespace}/{one.name}" for one in made)
    expect_equal([name.strip() for name in told.split(",")], wanted, of=f"annotation {SUBSCRIPTIONS}, in its order")
    owners = [one for one in metadata.get("ownerReferences") or () if one.get("controller")]
    belongs = [(one["kind"], one["name"], one["uid"]) for one in owners]
    expect_equal(
        belongs, [("HTTPRoute", route["metadata"]["name"], route["metadata"]["uid"])], of="the policy's controller"
    )


@check("MAAS-RATE-015", "MAAS-RATE-011", needs=NEEDS)
def test_a_subscription_is_one_limit_of_its_models_policy(world: World) -> None:
    twin, who = world.new_model(governed=False), world.identity()
    subscription = world.subscription(who, models=twin.handle, rates=RATES)
    other = world.subscription(who, models=twin.handle, limit=5)
    world.settle()
    limits = policy_of(world, twin.handle)["spec"]["limits"]
    keys = {f"{one.ref.namespace}-{one.name}-{twin.handle.name}-tokens": one for one in (subscription, other)}
    expect_equal(set(limits), set(keys), of="names of the limits")
    for key, one in keys.items():
        limit = limits[key]
        wanted = [{"limit": rate.limit, "window": rate.window} for rate in one.rates]
        expect_equal(limit.get("rates"), wanted, of=f"rates of {key}")
        counters = [counter.get("expression") for counter in limit.get("counters") or ()]
        expect_equal(counters, ["auth.identity.userid"], of=f"counters of {key}")
        expect_condition(limit, one, twin.handle)


def expect_condition(limit: dict[str, Any], subscription: Subscription, model: ModelHandle) -> None:
    """The limit is for whoever selected this subscription for this model, and not for listing."""
    said = " && ".join(str(one.get("predicate")) for one in limit.get("when") or ())
    selected = f"{subscription.ref.namespace}/{subscription.name}@{model.namespace}/{model.name}"
    for part in ("auth.identity.selected_subscription_key", f'"{selected}"', "/v1/models"):
        expect(part in said, expected=f"a condition that speaks of {part}", observed=repr(said))
