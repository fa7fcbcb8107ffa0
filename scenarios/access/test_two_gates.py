"""Access takes both gates: a subscription that owns quota for the model, and a policy that lets the caller in."""

from functools import partial
from typing import Final, Literal

import pytest

from harness.engine.declaration import check
from harness.world.expectations import (
    expect,
    expect_equal,
    expect_refused,
    expect_served,
    expect_status,
    flat_error,
)
from harness.world.held_phase import hold_phase
from harness.world.identity import Person
from harness.world.inference import Ask
from harness.world.oidc import OidcUser
from harness.world.sandwich import Sandwich
from harness.world.world import World

LINGERING: Final = "maas-conformance.dev/lingering"


@check("MAAS-AUTH-050", needs={"kube"})
def test_a_policy_without_a_subscription_lets_nobody_in(world: World, sandwich: Sandwich) -> None:
    customer, outsider = world.customer(), world.identity()
    world.policy(outsider)
    sandwich(
        control=customer.infer,
        denied=world.person(outsider).infer,
        status=403,
        when="a policy allows the caller and no subscription is theirs",
    )


@check("MAAS-AUTH-050", "MAAS-KEY-037", needs={"kube"})
def test_a_subscription_without_a_policy_lets_nobody_in(world: World, sandwich: Sandwich) -> None:
    customer, outsider = world.anybody(), world.identity()
    subscription = world.subscription(outsider)
    sandwich(
        control=customer.infer,
        denied=world.subscriber(outsider, subscription).infer,
        status=403,
        when="the caller has a subscription and no policy allows them",
        requirement="MAAS-AUTH-050",
    )


@check("MAAS-AUTH-051", needs={"kube"})
def test_a_key_opens_no_model_outside_its_subscription(world: World, sandwich: Sandwich) -> None:
    outside = world.model(1)
    who, narrow = world.member(), world.common()
    wide = world.subscription(who, models=outside)
    world.policy(who, models=outside)
    caller = world.subscriber(who, narrow)
    expect_served(world.subscriber(who, wide).infer(), when="the other subscription's key is used")
    sandwich(
        control=caller.infer,
        denied=partial(caller.infer, model=outside),
        status=403,
        when="the model is not in the key's subscription",
    )


@check("MAAS-AUTH-055", needs={"kube"})
def test_a_group_opens_to_its_members_only(world: World, sandwich: Sandwich) -> None:
    member, outsider = world.identity("premium"), world.identity("free")
    subscription = world.subscription(member.group)
    world.policy(member.group)
    sandwich(
        control=world.subscriber(member, subscription).infer,
        denied=world.person(outsider).infer,
        status=403,
        when="the caller is in none of the groups",
    )


@check("MAAS-AUTH-055", needs={"kube"})
def test_users_and_groups_of_an_owner_are_alternatives(world: World) -> None:
    named, member = world.identity(), world.identity("team")
    subscription = world.subscription((named, member.group))
    world.policy((named, member.group))
    for who in (named, member):
        expect_status(world.subscriber(who, subscription).infer(), 200, when="the caller is a named user or a member")


@check("MAAS-AUTH-055", needs={"kube"})
def test_a_name_is_matched_whole_and_to_the_letter(world: World, sandwich: Sandwich) -> None:
    """Owners and subjects whose names are the caller's but for a letter, its case or an end open nothing to the caller."""
    customer, who = world.customer(), world.identity("team")
    name, group = who.username, who.group
    users = [OidcUser(other) for other in (name[:-1], f"{name}0", name.upper(), f"{name.rpartition(':')[0]}:*", "*")]
    resembling: tuple[Person | str, ...] = (*users, group[:-1], f"{group}0", "system:serviceaccounts:*")
    world.subscription(resembling)
    world.policy(resembling)
    sandwich(
        control=customer.infer,
        denied=world.person(who).infer,
        status=403,
        when="only names that resemble the caller's are entitled",
    )


@check("MAAS-AUTH-053", needs={"kube"})
def test_policies_of_one_model_are_alternatives(world: World) -> None:
    first, second = world.identity(), world.identity()
    subscription = world.subscription((first, second))
    doomed = world.policy(first)
    world.policy(second)
    one, other = world.subscriber(first, subscription), world.subscriber(second, subscription)
    for caller in (one, other):
        expect_status(caller.infer(), 200, when="one of several policies names the caller")
    world.withdraw(doomed.ref)
    world.once_refused(one.infer)
    expect_status(one.infer(), 403, when="the only policy that names the caller is gone")
    expect_status(other.infer(), 200, when="another policy than the caller's was deleted")


@check("MAAS-AUTH-054", needs={"kube"})
def test_one_of_several_subscriptions_of_a_model_suffices(world: World) -> None:
    first, second = world.member(), world.identity()
    mine, theirs = world.common(), world.subscription(second)
    world.policy(second)
    for who, subscription in ((first, mine), (second, theirs)):
        expect_status(world.subscriber(who, subscription).infer(), 200, when="one subscription of the model is theirs")


@check("MAAS-REV-004", needs={"kube"})
def test_deleting_the_policy_ends_access(world: World, sandwich: Sandwich) -> None:
    bystander, who = world.anybody(), world.identity()
    subscription = world.subscription(who)
    policy = world.policy(who)
    caller = world.subscriber(who, subscription)
    expect_served(caller.infer())
    world.withdraw(policy.ref)
    world.once_refused(caller.infer, characteristic="policy_removal_enforced")
    sandwich(control=bystander.infer, denied=caller.infer, status=403, when="the caller's policy was deleted")


@check("MAAS-REV-005", "MAAS-CTRL-003", needs={"kube"})
def test_deleting_the_subscription_ends_access_and_nobody_elses(world: World, sandwich: Sandwich) -> None:
    bystander, who = world.anybody(), world.identity()
    subscription = world.subscription(who)
    world.policy(who)
    caller = world.subscriber(who, subscription)
    expect_served(caller.infer())
    world.withdraw(subscription.ref)
    world.once_refused(caller.infer, characteristic="subscription_removal_enforced")
    sandwich(control=bystander.infer, denied=caller.infer, status=403, when="the caller's subscription was deleted")


@check("MAAS-AUTH-009", "MAAS-AUTH-059", needs={"kube"})
def test_a_token_with_one_subscription_needs_no_header(world: World) -> None:
    who, subscription = world.member(), world.common()
    person = world.person(who, subscription)
    expect_status(
        person.infer(), 200, when="a token has exactly one subscription for the model", requirement="MAAS-AUTH-059"
    )


@check("MAAS-AUTH-058", needs={"kube", "models"})
def test_a_token_with_several_subscriptions_must_choose(world: World, sandwich: Sandwich) -> None:
    who = world.identity()
    one, _other = world.subscription(who), world.subscription(who)
    world.policy(who)
    person = world.person(who)
    sandwich(
        control=partial(person.infer, headers={"X-MaaS-Subscription": one.name}),
        denied=person.infer,
        status=403,
        when="several subscriptions serve the model and none is named",
    )


@check("MAAS-AUTH-033", needs={"kube"})
def test_a_foreign_subscription_cannot_be_spent(world: World, sandwich: Sandwich) -> None:
    alice, foreign = world.identity(), world.common()
    own = world.subscription(alice)
    world.policy(alice)
    person = world.person(alice)
    sandwich(
        control=partial(person.infer, headers={"X-MaaS-Subscription": own.name}),
        denied=partial(person.infer, headers={"X-MaaS-Subscription": foreign.name}),
        status=403,
        when="a token names somebody else's subscription",
    )


@pytest.mark.parametrize("style", ["path", "body"])
@pytest.mark.parametrize("registered", [True, False], ids=["registered", "unknown"])
@check("MAAS-AUTH-052", needs={"kube", "models"})
def test_a_model_that_nobody_governs_is_closed_to_everybody(
    world: World, sandwich: Sandwich, registered: bool, style: Literal["path", "body"]
) -> None:
    """To a key, which is bound to other models, and to a token, which is bound to none."""
    who, ask, subscription = world.member(), Ask(style=style), world.common()
    twin = world.new_model(registered=registered, governed=False)
    world.settle()
    for caller in (world.subscriber(who, subscription), world.person(who, subscription)):
        sandwich(
            control=partial(caller.infer, ask),
            denied=partial(caller.infer, ask, model=twin.handle),
            status=403,
            when="the model has neither a subscription nor a policy",
        )


@check("MAAS-AUTH-067", needs={"kube"})
def test_the_models_own_list_can_be_read_with_a_key(world: World) -> None:
    customer = world.anybody()
    exchange = expect_status(
        customer.gateway("GET", f"{customer.model.path}/v1/models"), 200, when="the model path's own list is read"
    )
    names = [item.get("id") for item in exchange.json().get("data") or ()]
    expect_equal(exchange.json().get("object"), "list", of="object", exchange=exchange)
    expect(
        customer.model.served_name in names,
        expected=f"{customer.model.served_name} in it",
        observed=repr(names),
        exchange=exchange,
    )


@pytest.mark.parametrize("phase", ["Failed", "Pending", None], ids=["failed", "pending", "unreconciled"])
@check("MAAS-AUTH-056", needs={"kube", "disposable"})
def test_a_subscription_that_is_not_in_force_serves_nobody(world: World, sandwich: Sandwich, phase: str | None) -> None:
    """Nothing else changes: the model, its policy and the caller's credentials are those that served before."""
    bystander, who = world.anybody(), world.identity()
    subscription = world.subscription(who)
    world.policy(who)
    callers = world.subscriber(who, subscription), world.person(who, subscription)
    for caller in callers:
        expect_served(caller.infer())
    hold_phase(world, subscription.ref, phase)
    for caller in callers:
        world.once_refused(caller.infer)
        sandwich(
            control=bystander.infer,
            denied=caller.infer,
            status=403,
            when=f"the phase of the subscription is {phase}",
        )


@check("MAAS-AUTH-056", needs={"kube"})
def test_a_subscription_that_is_being_deleted_serves_nobody(world: World, sandwich: Sandwich) -> None:
    """A finalizer of the check's own keeps it for as long as it is looked at."""
    bystander, who = world.anybody(), world.identity()
    subscription = world.subscription(who)
    world.policy(who)
    caller, cluster = world.subscriber(who, subscription), world.estate.cluster
    expect_served(caller.infer())
    finalizers = (cluster.get(subscription.ref) or {})["metadata"].get("finalizers") or []
    cluster.patch(subscription.ref, {"metadata": {"finalizers": [*finalizers, LINGERING]}})
    cluster.delete(subscription.ref)
    try:
        world.once_refused(caller.infer)
        sandwich(control=bystander.infer, denied=caller.infer, status=403, when="its subscription is being deleted")
        left = cluster.get(subscription.ref)
        expect(
            left is not None and "deletionTimestamp" in left["metadata"],
            expected="a subscription that is being deleted all the while",
            observed="it is gone" if left is None else "nobody deletes it",
        )
    finally:
        left = cluster.get(subscription.ref)
        if left is not None:
            others = [name for name in left["metadata"].get("finalizers") or [] if name != LINGERING]
            cluster.patch(subscription.ref, {"metadata": {"finalizers": others}})


@check("MAAS-CRD-040", needs={"kube"})
def test_a_subscription_of_nobodys_serves_nobody(world: World, sandwich: Sandwich) -> None:
    """An owner that names nobody is nobody, and not everybody."""
    who = world.identity("apart")
    own, ownerless = world.subscription(who), world.subscription(())
    world.policy(who)
    person = world.person(who, own)
    for denied in (
        partial(person.infer, headers={"X-MaaS-Subscription": ownerless.name}),
        partial(person.models, headers={"X-MaaS-Subscription": ownerless.name}),
    ):
        sandwich(control=person.infer, denied=denied, status=403, when="the subscription's owner names nobody")
    body = {"name": "nobodys", "subscription": ownerless.name}
    minted = person.manage("POST", "/v1/api-keys", json=body)
    expect_refused(
        minted, 400, flat_error(code="invalid_subscription"), when="a key is asked for nobody's subscription"
    )
    listed = expect_served(person.gateway("GET", "/v1/subscriptions"))
    names = [entry["subscription_id_header"] for entry in listed.json()]
    expect(
        own.name in names and ownerless.name not in names,
        expected=f"{own.name} and not {ownerless.name}",
        observed=repr(names),
        exchange=listed,
    )
