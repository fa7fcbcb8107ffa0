"""What the list says of each model: whose it is, where it is, what it is for; and that each is there once."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref
from harness.platforms.platform import ModelHandle
from harness.world.caller import Caller
from harness.world.expectations import expect, expect_equal, expect_served, model_ids
from harness.world.force import model_ref
from harness.world.governance import MAAS, People, Policy, Rate, Subscription
from harness.world.held_phase import hold_phase
from harness.world.twin import Variant
from harness.world.world import World

DETAILS = {
    "openshift.io/display-name": "A name for people",
    "openshift.io/description": "What it is good for",
    "opendatahub.io/genai-use-case": "chat",
    "opendatahub.io/context-window": "4096",
    "opendatahub.io/model-capabilities": '["vision", "tools"]',
}
SHOWN = {
    "displayName": "A name for people",
    "description": "What it is good for",
    "genaiUseCase": "chat",
    "contextWindow": "4096",
}


def items(exchange: Exchange) -> list[dict[str, Any]]:
    """The entries of a list that was answered."""
    model_ids(exchange)
    return [dict(item) for item in exchange.json()["data"]]


def entry(exchange: Exchange, model: ModelHandle) -> dict[str, Any]:
    """The one entry of that model; a finding when it is not there."""
    found = [item for item in items(exchange) if item.get("owned_by") == f"{model.namespace}/{model.name}"]
    expect(len(found) == 1, expected=f"one entry of {model.name}", observed=repr(items(exchange)), exchange=exchange)
    return found[0]


def object_of(world: World, model: ModelHandle) -> Manifest:
    """The model's MaaSModelRef."""
    return world.estate.cluster.get(model_ref(model)) or {}


@check("MAAS-LIST-005", "MAAS-LIST-006", needs={"kube"})
def test_an_entry_says_whose_where_and_since_when(world: World) -> None:
    caller = world.anybody()
    model, exchange = caller.model, expect_served(caller.models())
    item, found = entry(exchange, model), object_of(world, model)
    made = int(datetime_of(found["metadata"]["creationTimestamp"]))
    wanted = {"created": made, "kind": found["spec"]["modelRef"]["kind"], "owned_by": f"{model.namespace}/{model.name}"}
    shown = {field: item.get(field) for field in wanted}
    expect_equal(shown, wanted, of="created, kind and owner", exchange=exchange, requirement="MAAS-LIST-005")
    status = found["status"]
    hostnames = status.get("httpRouteHostnames") or []
    url = f"https://{hostnames[0]}" if hostnames else status["endpoint"]
    expect_equal(item.get("url"), url, of="url", exchange=exchange, requirement="MAAS-LIST-006")
    path = urlsplit(str(item.get("url"))).path
    expect(
        model.name not in path and path in ("", "/"),
        expected="a url without the model's path: the base of the gateway",
        observed=repr(item.get("url")),
        exchange=exchange,
        requirement="MAAS-LIST-006",
    )


def datetime_of(timestamp: str) -> float:
    """Unix seconds of a Kubernetes timestamp."""
    return datetime.fromisoformat(timestamp).timestamp()


@pytest.mark.parametrize("phase", ["Pending", "Unhealthy", "Failed"])
@check("MAAS-LIST-007", needs={"kube", "models", "disposable"})
def test_a_model_in_any_other_phase_than_ready_is_not_listed(world: World, phase: str) -> None:
    """To a key and to a token, while another model of the same subscription is."""
    who, kept, held = world.identity("apart"), world.model(), world.new_model(governed=False).handle
    subscription = world.subscription(who, models=(kept, held))
    world.policy(who, models=(kept, held))
    callers, both = (
        (world.subscriber(who, subscription), world.person(who, subscription)),
        {kept.model_id, held.model_id},
    )
    for caller in callers:
        expect_equal(both & set(model_ids(caller.models())), both, of="models while both are Ready")
    hold_phase(world, model_ref(held), phase)
    for caller in callers:
        exchange, _ = world.until(caller.models, lambda answer: held.model_id not in model_ids(answer))
        shown = both & set(model_ids(exchange))
        expect_equal(shown, {kept.model_id}, of=f"models while one is {phase}", exchange=exchange)


@check("MAAS-LIST-015", needs={"kube", "models"})
def test_a_model_is_listed_once_and_namesakes_are_told_apart(world: World) -> None:
    shared = Variant(served_name=f"{world.name}-shared")
    one, other = world.new_model(variant=shared), world.new_model(variant=shared)
    who = world.identity("apart")
    world.subscription(who, models=(one.handle, other.handle))
    twice = world.subscription(who, models=one.handle)
    world.policy(who, models=(one.handle, other.handle))
    exchange = expect_served(world.person(who, twice).models())
    mine = [item for item in items(exchange) if item["id"] == one.handle.model_id]
    owners = sorted(str(item["owned_by"]) for item in mine)
    wanted = sorted(f"{twin.handle.namespace}/{twin.handle.name}" for twin in (one, other))
    expect_equal(owners, wanted, of="owners of the entries of one id", exchange=exchange)
    paying = entry(exchange, one.handle).get("subscriptions") or []
    expect_equal(len(paying), 2, of="subscriptions of the model that two of them hold", exchange=exchange)


@check("MAAS-LIST-025", needs={"kube", "models"})
def test_models_of_every_namespace_are_listed(world: World) -> None:
    twin = world.new_model(variant=Variant(namespace=world.space("models")))
    customer = world.customer(models=twin.handle)
    exchange = expect_served(customer.models())
    expect_equal(model_ids(exchange), (twin.handle.model_id,), of="models of a subscription", exchange=exchange)
    expect_served(customer.infer(), when="the model is of another namespace than the platform's")


@check("MAAS-LIST-025", needs={"kube"})
def test_quota_and_access_of_other_namespaces_list_nothing(world: World) -> None:
    """The same grants in another namespace, which takes them; then in that of the instance."""
    model, who = world.model(), world.identity("apart")
    stray = world.space("stray")
    metadata = {"name": "default-tenant", "namespace": stray}
    world.declare({"apiVersion": MAAS, "kind": "MaasTenantConfig", "metadata": metadata, "spec": {}})
    world.settle()
    people = People.of(who)
    for made in (
        Subscription(Ref(MAAS, "MaaSSubscription", world.name, stray), people, (model,), (Rate(1000, "1m"),)),
        Policy(Ref(MAAS, "MaaSAuthPolicy", world.name, stray), people, (model,)),
    ):
        world.declare(made.manifest())
    person = world.person(who)
    others = world.entitlements(who).models
    exchange = expect_served(person.models())
    expect_equal(set(model_ids(exchange)), set(others), of="models granted elsewhere alone", exchange=exchange)
    world.subscription(who, models=model)
    world.policy(who, models=model)
    world.settle()
    exchange, _ = world.until(person.models, lambda answer: model.model_id in model_ids(answer))
    expect(
        model.model_id in model_ids(exchange),
        expected="the model, once granted here",
        observed=repr(model_ids(exchange)),
    )


@check("MAAS-CRD-009", "MAAS-LIST-026", needs={"kube", "models"})
def test_annotations_become_the_details_of_a_model(world: World) -> None:
    told, silent = world.new_model(annotations=DETAILS), world.new_model()
    customer = world.customer(models=(told.handle, silent.handle))
    world.settle()
    exchange = expect_served(customer.models())
    details = entry(exchange, told.handle).get("modelDetails")
    wanted = {**SHOWN, "modelCapabilities": ["vision", "tools"]}
    expect_equal(details, wanted, of="modelDetails", exchange=exchange, requirement="MAAS-CRD-009")
    bare = entry(exchange, silent.handle)
    expect("modelDetails" not in bare, expected="no modelDetails", observed=repr(bare), requirement="MAAS-LIST-026")
    for malformed in ("vision, tools", '{"vision": true}'):
        annotations = {"opendatahub.io/model-capabilities": malformed}
        world.estate.cluster.patch(model_ref(told.handle), {"metadata": {"annotations": annotations}})
        expect_details(world, customer, told.handle, SHOWN, when=f"the capabilities are {malformed!r}")
        world.estate.cluster.patch(model_ref(told.handle), {"metadata": {"annotations": DETAILS}})
        expect_details(world, customer, told.handle, wanted, when="the capabilities are a JSON list again")


def expect_details(world: World, caller: Caller, model: ModelHandle, wanted: dict[str, Any], *, when: str) -> None:
    """The model's details become these."""
    exchange, _ = world.until(caller.models, lambda answer: entry(answer, model).get("modelDetails") == wanted)
    found = entry(exchange, model).get("modelDetails")
    expect_equal(found, wanted, of=f"modelDetails when {when}", exchange=exchange, requirement="MAAS-CRD-009")
