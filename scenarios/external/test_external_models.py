"""External models as objects: found by kind, listed under their own name, guarded like any other, gone when they are deleted."""

from functools import partial
from typing import Any

import pytest

from harness.engine.declaration import check
from harness.kube.columns import Column, columns_of
from harness.kube.wait import is_gone, wait_for
from harness.world.admission import changed, expect_invalid
from harness.world.expectations import expect, expect_equal, expect_json, expect_served
from harness.world.force import model_ref
from harness.world.governance import MAAS
from harness.world.inference import Ask
from harness.world.outside import INFERENCE, ExternalModel, leads_somewhere
from harness.world.patience import until
from harness.world.providers import Providers
from harness.world.sandwich import Sandwich
from harness.world.world import World


def entry_of(document: Any, name: str) -> dict[str, Any]:
    """The entry of a model list with that id; empty when it has none."""
    return next((item for item in document["data"] if item["id"] == name), {})


@check("MAAS-CRD-068", "MAAS-LIST-003", "MAAS-LIST-005", needs={"kube", "providers"})
def test_an_external_model_is_listed_under_its_own_name(world: World, providers: Providers) -> None:
    model = providers.model()
    customer = world.customer(models=model.handle)
    listed = entry_of(expect_json(customer.models()), model.handle.name)
    expect_equal(
        {key: listed.get(key) for key in ("id", "kind", "owned_by", "ready")},
        {
            "id": model.handle.name,
            "kind": "ExternalModel",
            "owned_by": f"{model.handle.namespace}/{model.handle.name}",
            "ready": True,
        },
        of="the model in the list, which knows neither the provider's name for it nor a namespace in its id",
    )
    registered = world.estate.cluster.get(model_ref(model.handle)) or {}
    expect_equal(
        registered.get("status", {}).get("resolvedModelAlias"), model.handle.name, of="status.resolvedModelAlias"
    )


@check("MAAS-SETUP-010", "MAAS-CRD-002", needs={"kube", "models", "providers"})
def test_a_backend_is_found_by_its_kind(world: World, providers: Providers) -> None:
    inside, outside = world.new_model(), providers.model()
    who = world.identity()
    world.subscription(who, models=(inside.handle, outside.handle))
    world.policy(who, models=(inside.handle, outside.handle))
    world.settle()
    found = {
        handle.name: (world.estate.cluster.get(model_ref(handle)) or {}).get("status", {})
        for handle in (inside.handle, outside.handle)
    }
    expect_equal({status.get("phase") for status in found.values()}, {"Ready"}, of="phases")
    expect_equal(found[outside.handle.name].get("httpRouteName"), outside.route.name, of="the external model's route")
    expect(
        found[inside.handle.name].get("httpRouteName") != found[outside.handle.name].get("httpRouteName")
        and all(status.get("endpoint") for status in found.values()),
        expected="a route and an endpoint for each, by the rules of its kind",
        observed=str({name: (item.get("httpRouteName"), item.get("endpoint")) for name, item in found.items()}),
    )
    valid = outside.registration() | {"metadata": {"name": f"{world.name}-kind", "namespace": outside.handle.namespace}}
    expect_invalid(world.estate.cluster, valid, changed(valid, "spec.modelRef.kind", "InferenceService"))


@pytest.mark.parametrize("style", ["body", "path"])
@check("MAAS-AUTH-050", "MAAS-SETUP-010", needs={"kube", "providers"})
def test_an_external_model_is_guarded_by_both_gates(
    world: World, providers: Providers, sandwich: Sandwich, style: Any
) -> None:
    model, ask = providers.model(), Ask(style=style)
    customer, outsider = world.customer(models=model.handle), world.identity()
    world.policy(outsider, models=model.handle)
    sandwich(
        control=partial(customer.infer, ask),
        denied=partial(world.person(outsider).infer, ask, model=model.handle),
        status=403,
        when="a policy allows the caller and no subscription is theirs",
    )


@pytest.mark.parametrize("legacy", [False, True], ids=["inference", "legacy"])
@check("MAAS-GW-018", needs={"kube", "providers"})
def test_a_deleted_external_model_takes_its_route_along(world: World, providers: Providers, legacy: bool) -> None:
    gone, stays = providers.model(legacy=legacy), providers.model(legacy=legacy)
    ask = Ask(style="path" if legacy else "body")
    customer = world.customer(models=(gone.handle, stays.handle))
    expect_served(customer.infer(ask, model=gone.handle), when="the model is there")
    world.withdraw(gone.ref)
    wait_for(world.estate.cluster, is_gone(gone.route), world.estate.ready_bound)
    refusal, _ = world.until(
        partial(customer.infer, ask, model=gone.handle), lambda answer: answer.status in (403, 404)
    )
    expect(
        refusal.status in (403, 404),
        expected="403 or 404 for a model that is there no longer",
        observed=str(refusal.status),
        exchange=refusal,
    )
    expect_served(customer.infer(ask, model=stays.handle), when="the other model stays")
    world.await_phase(model_ref(gone.handle), "Failed", "Pending")


@check("MAAS-CRD-067", needs={"kube", "providers"})
def test_the_inference_group_goes_before_the_legacy_one(world: World, providers: Providers) -> None:
    model = providers.model()
    namesake = ExternalModel(model.handle, model.stand_in, legacy=True)
    world.declare(*namesake.backend(), until=(leads_somewhere(namesake.route),))
    who = world.identity()
    world.subscription(who, models=model.handle)
    world.policy(who, models=model.handle)
    world.settle()
    expect_equal(route_name(world, model), model.route.name, of="the route while both exist")
    world.withdraw(model.ref)
    left, _ = until(
        lambda: route_name(world, model), lambda name: name == namesake.route.name, world.estate.ready_bound
    )
    expect_equal(left, namesake.route.name, of="the route when the legacy one is left")


def route_name(world: World, model: ExternalModel) -> str | None:
    """The route that the registered model names in its status."""
    registered = world.estate.cluster.get(model_ref(model.handle)) or {}
    name: str | None = (registered.get("status") or {}).get("httpRouteName")
    return name


@check("MAAS-CRD-066", needs={"kube"})
def test_the_columns_of_external_models_and_their_providers(world: World) -> None:
    wanted = {
        (MAAS, "ExternalModel"): ["Provider", "TargetModel", "Endpoint", "Phase", "Age"],
        (INFERENCE, "ExternalModel"): ["Phase", "Age"],
        (INFERENCE, "ExternalProvider"): ["Provider", "Endpoint", "Phase", "Age"],
    }
    for (group, kind), names in wanted.items():
        found = columns_of(world.estate.cluster, group, kind)
        expect_equal(
            [Column(one.name.upper(), one.wide) for one in found],
            [Column(name.upper()) for name in names],
            of=f"printed columns of {kind} of {group}",
        )
