"""What the phase of a subscription decides: whether keys are minted for it, whether its models are listed, whether they answer.

Failed and Degraded come from models that do not exist; the other phases are held, because no object of a healthy platform rests in them.
"""

from functools import partial

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.manifest import Ref
from harness.platforms.platform import ModelHandle
from harness.world.caller import Caller
from harness.world.expectations import (
    expect,
    expect_refused,
    expect_served,
    expect_status,
    flat_error,
    model_ids,
)
from harness.world.force import limit_policy_ref
from harness.world.governance import Subscription
from harness.world.held_phase import hold_phase
from harness.world.world import World

NOT_READY = flat_error(code="subscription_not_ready")


def mint(caller: Caller, subscription: Subscription) -> Exchange:
    """Ask for a key of that subscription."""
    return caller.manage("POST", "/v1/api-keys", json={"name": "phase", "subscription": subscription.name})


def code_of(exchange: Exchange) -> object:
    """The code of a flat error; None where there is none."""
    document = exchange.json() if exchange.body else {}
    return document.get("code") if isinstance(document, dict) else None


def known(world: World, caller: Caller, subscription: Subscription) -> Exchange:
    """The answer to a mint, once key management has heard of the subscription at all."""
    answer, _ = world.until(lambda: mint(caller, subscription), lambda seen: code_of(seen) != "invalid_subscription")
    return answer


@check("MAAS-KEY-034", needs={"kube"})
def test_no_key_is_minted_for_a_failed_subscription(world: World) -> None:
    who, good = world.member(), world.common()
    failed = world.subscription(who, models=world.ghost(), awaited=False)
    world.settle()
    world.await_phase(failed.ref, "Failed")
    person = world.person(who, good)
    expect_status(known(world, person, good), 201, when="the subscription is Active")
    refusal, _ = world.until(lambda: known(world, person, failed), lambda answer: answer.status == 403)
    expect_refused(refusal, 403, NOT_READY, when="the subscription is in phase Failed")
    expect_status(mint(person, good), 201, when="the subscription is Active")


@check("MAAS-KEY-035", needs={"kube", "disposable"})
def test_no_key_is_minted_before_the_subscription_was_reconciled(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who)
    world.policy(who)
    person = world.person(who, subscription)
    expect_status(known(world, person, subscription), 201, when="the subscription is Active")
    hold_phase(world, subscription.ref, None)
    refusal, _ = world.until(lambda: mint(person, subscription), lambda answer: answer.status != 201)
    expect_refused(refusal, 400, NOT_READY, when="the subscription has no phase yet")


@check("MAAS-KEY-036", needs={"kube"})
def test_keys_are_minted_for_active_and_degraded_subscriptions(world: World) -> None:
    who, active = world.member(), world.common()
    degraded = world.degraded(who)
    person = world.person(who, active)
    for subscription, phase in ((active, "Active"), (degraded, "Degraded")):
        answer, _ = world.until(partial(known, world, person, subscription), lambda seen: seen.status == 201)
        expect_status(answer, 201, when=f"the subscription is in phase {phase}")


@check("MAAS-KEY-036", "MAAS-LIST-022", needs={"kube", "disposable"})
def test_a_pending_subscription_mints_and_lists_but_does_not_serve(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who)
    world.policy(who)
    caller, person = world.subscriber(who, subscription), world.person(who, subscription)
    expect_served(caller.infer())
    expect_status(known(world, person, subscription), 201, when="the subscription is Active")
    hold_phase(world, subscription.ref, "Pending")
    refusal = world.once_refused(caller.infer)
    expect_refused(refusal, 403, when="the subscription is Pending", requirement="MAAS-LIST-022")
    listing = expect_status(caller.models(), 200, when="the key's subscription is Pending", requirement="MAAS-LIST-022")
    expect(
        subscription.models[0].model_id in model_ids(listing),
        expected=f"{subscription.models[0].model_id} is listed while its subscription is Pending",
        observed=repr(model_ids(listing)),
        exchange=listing,
        requirement="MAAS-LIST-022",
    )
    expect_status(mint(person, subscription), 201, when="the subscription is Pending", requirement="MAAS-KEY-036")


@check("MAAS-REV-009", needs={"kube", "disposable"})
def test_a_subscription_that_fails_serves_no_longer(world: World) -> None:
    customer, other = world.customer(), world.anybody()
    expect_served(customer.infer())
    assert customer.subscription is not None
    ref = Ref("maas.opendatahub.io/v1alpha1", "MaaSSubscription", customer.subscription, subscriptions_home(world))
    hold_phase(world, ref, "Failed")
    refusal = world.once_refused(customer.infer, characteristic="failed_phase_to_refused")
    expect_refused(refusal, 403, when="the subscription is in phase Failed")
    expect_served(other.infer(), when="somebody else's subscription has failed")


@check("MAAS-AUTH-057", "MAAS-STAT-023", needs={"kube", "models", "kuadrant", "disposable"})
def test_a_model_whose_limits_are_not_in_force_is_shut_while_the_others_serve(world: World) -> None:
    """The policy is taken out of the controller's hands and pointed at a route that does not exist, which no gateway accepts."""
    healthy, sick = world.model(), world.new_model().handle
    who = world.identity()
    subscription = world.subscription(who, models=(healthy, sick))
    world.policy(who, models=(healthy, sick))
    caller = world.subscriber(who, subscription)
    for model in (healthy, sick):
        expect_served(caller.infer(model=model))
    take_over_and_break(world, sick)
    degraded = world.expect_phase(subscription.ref, "Degraded")
    ready = {item["model"]: item for item in degraded["status"]["tokenRateLimitStatuses"]}
    expect(
        ready[healthy.name]["ready"] is True
        and (ready[sick.name]["ready"], ready[sick.name]["reason"]) == (False, "NotAccepted"),
        expected=f"{healthy.name} ready, and {sick.name} not ready for the reason NotAccepted",
        observed=repr(ready),
        requirement="MAAS-STAT-023",
    )
    refusal = world.once_refused(lambda: caller.infer(model=sick))
    expect_refused(refusal, 403, when="the model's limits are not in force", requirement="MAAS-AUTH-057")
    said = "subscription rate limiting policies are not ready"
    expect(said in refusal.text, expected=f"a refusal that says: {said}", observed=repr(refusal.text),
           exchange=refusal, requirement="MAAS-AUTH-057")  # fmt: skip
    expect_served(caller.infer(model=healthy), when="another model of the subscription is out of order")


def take_over_and_break(world: World, model: ModelHandle) -> None:
    """Have the model's policy point at no route."""
    world.estate.cluster.patch(
        limit_policy_ref(model),
        {
            "metadata": {"annotations": {"opendatahub.io/managed": "false"}},
            "spec": {"targetRef": {"name": f"{model.name}-nowhere"}},
        },
    )


def subscriptions_home(world: World) -> str:
    """Where subscriptions live."""
    return world.wire.platform.namespaces.subscriptions
