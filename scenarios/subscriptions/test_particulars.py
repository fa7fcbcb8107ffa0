"""What people write into a subscription, and where a caller finds it again: in the list of subscriptions, and beside each model."""

from typing import Any, Final

from harness.engine.declaration import check
from harness.kube.manifest import Ref
from harness.kube.wait import has_phase
from harness.platforms.platform import ModelHandle
from harness.world.caller import Caller
from harness.world.expectations import expect, expect_equal, expect_json, expect_served
from harness.world.governance import MAAS, People, Rate, Subscription
from harness.world.identity import Identity
from harness.world.providers import Providers
from harness.world.world import World

PEOPLE_READ: Final = {"openshift.io/display-name": "A team", "openshift.io/description": "For whoever is in it"}
DETAILS: Final = {"openshift.io/display-name": "A model", "openshift.io/description": "What it is good for"}
TOKENS: Final = {"organizationId": "org-7", "costCenter": "cc-42", "labels": {"season": "autumn"}}
RATES: Final = (Rate(12, "3m"), Rate(99, "24h"))
PRICE: Final = "0.001"


def described(world: World, who: Identity, *models: ModelHandle) -> Subscription:
    """A subscription that says all there is to say, in force."""
    ref = Ref(MAAS, "MaaSSubscription", f"{world.name}-told", world.wire.platform.namespaces.subscriptions)
    made = Subscription(ref, People.of(who), models, RATES, priority=7)
    manifest = made.manifest()
    manifest["metadata"]["annotations"] = PEOPLE_READ
    manifest["spec"]["tokenMetadata"] = TOKENS
    for entry in manifest["spec"]["modelRefs"]:
        entry["billingRate"] = {"perToken": PRICE}
    world.declare(manifest, until=[has_phase(ref, "Active")])
    world.policy(who, models=models)
    world.settle()
    return made


def entry_of(world: World, caller: Caller, subscription: Subscription) -> dict[str, Any]:
    """The subscription in the list, once the management API knows it; a finding when the answer is no array that holds it."""

    def mine(document: Any) -> list[dict[str, Any]]:
        entries = document if isinstance(document, list) else []
        return [one for one in entries if one.get("subscription_id_header") == subscription.name]

    def ask() -> Any:
        return caller.manage("GET", "/v1/subscriptions")

    exchange, _ = world.until(ask, lambda answer: answer.status == 200 and bool(mine(expect_json(answer))))
    found = mine(expect_json(expect_served(exchange)))
    expect(
        len(found) == 1,
        expected=f"a JSON array with one entry of {subscription.name}",
        observed=f"{len(found)} entries in {exchange.body[:200]!r}",
        exchange=exchange,
    )
    return found[0]


@check("MAAS-SUB-001", "MAAS-CRD-048", needs={"kube"})
def test_a_subscription_is_listed_with_all_that_it_says_of_itself(world: World) -> None:
    who = world.identity("apart")
    subscription = described(world, who, world.model())
    found = entry_of(world, world.person(who), subscription)
    found.pop("model_refs", None)
    wanted = {
        "subscription_id_header": subscription.name,
        "subscription_description": PEOPLE_READ["openshift.io/description"],
        "display_name": PEOPLE_READ["openshift.io/display-name"],
        "priority": 7,
        "organization_id": "org-7",
        "cost_center": "cc-42",
        "labels": {"season": "autumn"},
    }
    expect_equal(found, wanted, of="the subscription in the list, but for its models", requirement="MAAS-SUB-001")


@check("MAAS-SUB-001", needs={"kube"})
def test_a_subscription_that_says_nothing_of_itself_is_listed_without(world: World) -> None:
    who = world.identity("apart")
    subscription = world.subscription(who, priority=3)
    world.policy(who)
    found = entry_of(world, world.person(who, subscription), subscription)
    stated = set(found) - {"labels"}
    wanted = {"subscription_id_header", "subscription_description", "priority", "model_refs"}
    expect_equal(stated, wanted, of="members of an entry without particulars", requirement="MAAS-SUB-001")


@check("MAAS-SUB-002", needs={"kube", "models"})
def test_a_model_of_a_subscription_is_listed_with_its_limits_and_its_price(world: World) -> None:
    told, silent = world.new_model(annotations=DETAILS).handle, world.model()
    who = world.identity("apart")
    subscription = described(world, who, told, silent)
    refs = {ref.get("name"): ref for ref in entry_of(world, world.person(who), subscription)["model_refs"]}
    expect_equal(set(refs), {told.name, silent.name}, of="names of the subscription's models")
    wanted = {
        "name": told.name,
        "display_name": DETAILS["openshift.io/display-name"],
        "description": DETAILS["openshift.io/description"],
        "source": "internal",
        "token_rate_limits": [{"limit": rate.limit, "window": rate.window} for rate in RATES],
        "billing_rate": {"per_token": PRICE},
    }
    shown = {key: refs[told.name].get(key) for key in wanted}
    expect_equal(shown, wanted, of=f"the model {told.name} in the list")
    known = {*wanted, "model_name"}
    for name, ref in refs.items():
        expect_equal(set(ref) - known, set(), of=f"members of {name} beyond those of the row, a namespace among them")
        expect(isinstance(ref.get("model_name", ""), str), expected="model_name a string", observed=repr(ref))


@check("MAAS-SUB-002", needs={"kube", "providers"})
def test_a_model_outside_is_listed_as_one(world: World, providers: Providers) -> None:
    model, who = providers.model().handle, world.identity("apart")
    subscription = world.subscription(who, models=model)
    world.policy(who, models=model)
    refs = entry_of(world, world.person(who, subscription), subscription)["model_refs"]
    expect_equal([(ref["name"], ref["source"]) for ref in refs], [(model.name, "external")], of="names and sources")


@check("MAAS-LIST-014", needs={"kube"})
def test_a_listed_model_names_each_subscription_of_the_caller_that_holds_it_and_no_other(world: World) -> None:
    who, other = world.identity("apart"), world.identity("others")
    told = described(world, who, world.model())
    plain, foreign = world.subscription(who), world.subscription(other)
    elsewhere = world.subscription(who, models=world.model(1))
    world.policy((who, other), models=(world.model(0), world.model(1)))
    person = world.person(who, plain)
    entry_of(world, person, told)
    exchange = expect_served(person.models())
    beside = {
        item["id"]: {entry["name"]: entry for entry in item.get("subscriptions") or ()}
        for item in exchange.json()["data"]
    }
    found = beside.get(world.model().model_id, {})
    expect_equal(
        found.get(told.name),
        {"name": told.name, "displayName": "A team", "description": "For whoever is in it"},
        of="the annotated subscription beside its model",
        exchange=exchange,
    )
    expect_equal(found.get(plain.name), {"name": plain.name}, of="one without annotations", exchange=exchange)
    for name, why in ((foreign.name, "somebody else's"), (elsewhere.name, "for another model")):
        expect(
            name not in found, expected=f"no {name}, which is {why}", observed=repr(sorted(found)), exchange=exchange
        )
