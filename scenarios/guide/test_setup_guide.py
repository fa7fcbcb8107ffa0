"""The model setup guide, step by step, with its own manifests."""

from functools import partial
from pathlib import Path

import pytest

from harness.client.measuring import Call
from harness.engine.declaration import check
from harness.kube.manifest import condition
from harness.kube.wait import has_condition
from harness.platforms.platform import Need, Platform
from harness.world.caller import Caller
from harness.world.expectations import (
    describe,
    expect,
    expect_equal,
    expect_served,
    expect_status,
    listed_ids,
    model_ids,
)
from harness.world.force import model_ref
from harness.world.guidebook import GuideModel, model_of, read, registration_of
from harness.world.inference import Ask
from harness.world.twin import MAAS_GATEWAY
from harness.world.world import World

GUIDE = Path(__file__).resolve().parents[2] / "fixtures" / "worlds" / "guide"
MODELS: tuple[Need, ...] = ("kube", "models")
DETAILS = {
    "displayName": "My Production Model",
    "description": "A fine-tuned model for production workloads",
    "genaiUseCase": "chat",
    "contextWindow": "8192",
}
"""What the list says of a model that is registered with the guide's display metadata."""


def guide_model(world: World, file: str) -> GuideModel:
    """A model of the guide, declared, and awaited until it is Ready."""
    model = model_of(read(GUIDE / file), f"{world.name}-{file.partition('.')[0]}")
    world.declare(model.manifest, until=(has_condition(model.ref, "Ready"),))
    return model


def printed_ready(world: World, model: GuideModel) -> object:
    """What `kubectl get llminferenceservice` shows as READY; None where there is no such column."""
    table = world.estate.cluster.table(model.ref.api_version, model.ref.kind, namespace=model.ref.namespace)
    headings = [str(column["name"]).upper() for column in table["columnDefinitions"]]
    rows = [dict(zip(headings, row["cells"], strict=True)) for row in table["rows"]]
    return next((row.get("READY") for row in rows if row.get("NAME") == model.ref.name), None)


def register(world: World, model: GuideModel) -> None:
    """The guide's MaaSModelRef for a model."""
    world.declare(registration_of(read(GUIDE / "display-metadata.yaml"), model.handle))


def govern(world: World, model: GuideModel) -> Caller:
    """A customer of that model alone."""
    return world.customer(models=model.handle)


@pytest.mark.parametrize("file", ["gateway-reference.yaml", "complete-example.yaml"])
@check("MAAS-SETUP-003", "MAAS-SETUP-005", "MAAS-SETUP-009", needs=MODELS)
def test_a_model_of_the_guide_passes_the_guides_verification(world: World, file: str) -> None:
    """List it with its display metadata, see its status, ask it: the three verification steps."""
    model = guide_model(world, file)
    register(world, model)
    customer = govern(world, model)
    world.settle()
    world.expect_phase(model_ref(model.handle), "Ready")
    listed = expect_served(customer.gateway("GET", "/maas-api/v1/models", headers={"Content-Type": "application/json"}))
    expect_equal(model_ids(listed), (model.handle.model_id,), of="models listed", exchange=listed)
    found = world.estate.cluster.get(model.ref) or {}
    expect_equal((condition(found, "Ready") or {}).get("status"), "True", of="Ready", requirement="MAAS-SETUP-009")
    expect_equal(printed_ready(world, model), "True", of="READY as kubectl prints it", requirement="MAAS-SETUP-009")
    answer = customer.infer(Ask(endpoint="completions", prompt="Hello", max_tokens=50))
    expect_status(answer, 200, when="the guide's inference request is made", requirement="MAAS-SETUP-003")
    document = answer.json()
    expect(
        bool(document.get("choices")) and answer.usage is not None,
        expected="choices and usage",
        observed=describe(answer),
        exchange=answer,
        requirement="MAAS-SETUP-003",
    )
    details = listed.json()["data"][0].get("modelDetails") or {}
    shown = {key: details.get(key) for key in DETAILS}
    expect_equal(shown, DETAILS, of="modelDetails", exchange=listed, requirement="MAAS-SETUP-005")


@check("MAAS-SETUP-001", needs=MODELS)
def test_the_guides_patch_opts_a_model_in(world: World) -> None:
    model = guide_model(world, "before-opt-in.yaml")
    register(world, model)
    who = world.identity()
    subscription = world.subscription(who, models=model.handle, awaited=False)
    policy = world.policy(who, models=model.handle, awaited=False)
    world.settle()
    found = world.expect_phase(model_ref(model.handle), "Failed", "Ready")
    expect_equal(found["status"]["phase"], "Failed", of="the phase of a registered model that is not opted in yet")
    before = world.anybody().infer(model=model.handle)
    expect(
        before.status in (403, 404),
        expected="403 or 404 at the MaaS gateway before the model is opted in",
        observed=describe(before),
        exchange=before,
    )
    world.estate.cluster.patch(model.ref, read(GUIDE / "opt-in-patch.json"))
    opted_in = world.expect_phase(model_ref(model.handle), "Ready")["status"]
    gateway = (opted_in.get("httpRouteGatewayName"), opted_in.get("httpRouteGatewayNamespace"))
    expect_equal(gateway, (MAAS_GATEWAY, world.wire.platform.namespaces.gateway), of="gateway of the model's route")
    world.await_in_force(subscription, policy)
    customer = world.subscriber(who, subscription)
    expect_equal(model_ids(customer.models()), (model.handle.model_id,), of="models listed once opted in")
    expect_status(customer.infer(), 200, when="the model is opted in and the caller is entitled")
    expect_status(
        world.caller(None, model=model.handle).infer(), 401, when="MaaS governs it and there is no credential"
    )


@check("MAAS-SETUP-002", needs=MODELS)
def test_a_model_that_opts_out_is_gone_from_maas(world: World) -> None:
    """Another model of the same subscription stays, so that a list that breaks is not taken for one that the model has left."""
    model = guide_model(world, "gateway-reference.yaml")
    register(world, model)
    stays = world.model()
    customer = world.customer(models=(model.handle, stays))
    world.settle()
    world.expect_phase(model_ref(model.handle), "Ready")
    for one in (model.handle, stays):
        expect_served(customer.infer(model=one))
    both = {model.handle.model_id, stays.model_id}
    expect_equal(set(model_ids(customer.models())), both, of="models listed while both are opted in")
    world.estate.cluster.patch(model.ref, [{"op": "remove", "path": "/spec/router/gateway"}])
    world.expect_phase(model_ref(model.handle), "Failed", "Pending", "Unhealthy")
    listed, _ = world.until(customer.models, lambda answer: model.handle.model_id not in listed_ids(answer))
    expect_equal(model_ids(listed), (stays.model_id,), of="models listed once one has opted out", exchange=listed)
    answer, _ = world.until(partial(customer.infer, model=model.handle), lambda answer: answer.status != 200)
    expect(
        answer.status in (403, 404),
        expected="403 or 404 at the MaaS gateway for a model that has opted out",
        observed=describe(answer),
        exchange=answer,
    )
    expect_served(customer.infer(model=stays), when="only another model has opted out")


@check("MAAS-SETUP-004", needs=(*MODELS, "standard-gateway"))
def test_a_model_that_names_no_gateway_is_free_of_maas(world: World, platform: Platform) -> None:
    document = read(GUIDE / "gateway-reference.yaml")
    document["spec"]["router"].pop("gateway")
    model = model_of(document, f"{world.name}-plain")
    world.declare(model.manifest, until=(has_condition(model.ref, "Ready"),))
    world.settle()
    gateway = platform.endpoints.standard_gateway
    assert gateway is not None
    call = Call("POST", Ask().url(gateway, model.handle), json=Ask().body(model.handle))
    answer, _ = world.until(partial(world.wire.send, call), lambda answer: answer.status == 200)
    expect_status(answer, 200, when="it is called at the standard gateway without any credential")
    listed = model_ids(world.anybody().models())
    expect(model.handle.model_id not in listed, expected="it is not listed", observed=repr(listed))


@check("MAAS-CRD-011", needs=MODELS)
def test_the_tier_annotation_alone_grants_nothing(world: World) -> None:
    """Observed: this version reads subscriptions and policies, and no tiers."""
    model = guide_model(world, "tiers-annotation.yaml")
    outsider = world.anybody()
    expect_served(outsider.infer())
    answer = outsider.infer(model=model.handle)
    expect(
        answer.status in (403, 404),
        expected="403 or 404 for a model whose only grant is the tier annotation",
        observed=describe(answer),
        exchange=answer,
    )


@check("MAAS-SETUP-009", "MAAS-LIST-007", needs=MODELS)
def test_a_model_that_is_not_ready_is_not_listed(world: World) -> None:
    model = guide_model(world, "gateway-reference.yaml")
    register(world, model)
    customer = govern(world, model)
    world.settle()
    world.expect_phase(model_ref(model.handle), "Ready")
    expect_equal(model_ids(customer.models()), (model.handle.model_id,), of="models listed while it is ready")
    world.estate.cluster.patch(model.ref, {"spec": {"replicas": 0}})
    world.expect_phase(model_ref(model.handle), "Unhealthy")
    exchange, _ = world.until(customer.models, lambda answer: answer.status != 200 or not model_ids(answer))
    expect_equal(model_ids(exchange), (), of="models listed while it is not ready", exchange=exchange)
    expect_equal(printed_ready(world, model), "False", of="READY as kubectl prints it", requirement="MAAS-SETUP-009")
