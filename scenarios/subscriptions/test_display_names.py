"""What people call a subscription, in both lists."""

from harness.engine.declaration import check
from harness.world.caller import Caller
from harness.world.expectations import expect_equal, expect_served
from harness.world.world import World

TOLD = {"openshift.io/display-name": "Tëam quota", "openshift.io/description": 'For "the" team, 日本語.'}


@check("MAAS-CRD-053", needs={"kube"})
def test_what_a_subscription_is_called_is_listed(world: World) -> None:
    who = world.identity("apart")
    subscription, silent = world.subscription(who), world.subscription(who)
    world.policy(who)
    person, wanted = world.person(who), tuple(TOLD.values())
    expect_served(person.models())
    world.estate.cluster.patch(subscription.ref, {"metadata": {"annotations": TOLD}})
    exchange, _ = world.until(person.models, lambda _: in_both_lists(person, subscription.name) == (wanted, wanted))
    told = in_both_lists(person, subscription.name)
    expect_equal(told, (wanted, wanted), of="name and description in both lists", exchange=exchange)
    untold = in_both_lists(person, silent.name)
    expect_equal(set(untold) & {wanted}, set(), of="the same, of a subscription that says nothing", exchange=exchange)


def in_both_lists(person: Caller, name: str) -> tuple[object, object]:
    """Display name and description of a subscription, as the models' list and the subscriptions' list have them."""
    models = expect_served(person.models()).json()["data"]
    offers = [offer for item in models for offer in item.get("subscriptions") or () if offer.get("name") == name]
    listed = expect_served(person.gateway("GET", "/v1/subscriptions")).json()
    entries = [entry for entry in listed if entry.get("subscription_id_header") == name]
    return (
        next(((one.get("displayName"), one.get("description")) for one in offers), None),
        next(((one.get("display_name"), one.get("subscription_description")) for one in entries), None),
    )
