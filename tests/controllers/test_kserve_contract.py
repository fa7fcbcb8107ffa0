"""The KServe stand-in as a process on a real API server."""

from typing import Any

import pytest

from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.kind import (
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    LLM_INFERENCE_SERVICE,
    ROLE,
    ROLE_BINDING,
    SERVICE,
)
from tests.controllers.conftest import Platform
from tests.controllers.world import MAAS_GATEWAY, World, condition, gone

TIERS = "alpha.maas.opendatahub.io/tiers"


@pytest.fixture
def world(platform: Platform) -> World:
    return World(platform.client)


def parents(route: dict[str, Any] | None) -> list[str]:
    return [parent["name"] for parent in (route or {"spec": {"parentRefs": []}})["spec"]["parentRefs"]]


@pytest.mark.row("MAAS-LLM-001", "MAAS-LLM-004", "MAAS-LLM-008", "MAAS-SETUP-009")
def test_a_model_becomes_a_deployment_a_service_and_a_route_and_is_ready_when_these_are(world: World) -> None:
    world.service("m1")
    client = world.client
    before = client.until(LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("Ready", "False"))
    world.available("m1")
    ready = client.until(LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("Ready", "True"))
    assert before is not None
    assert ready is not None
    assert ready["status"]["url"] == f"http://127.0.0.1/{world.namespace}/m1"
    assert ready["status"]["addresses"][0]["models"][0]["name"] == f"publishers/{world.namespace}/models/org/m1"
    assert ready["status"]["observedGeneration"] == ready["metadata"]["generation"]
    for kind, name in ((DEPLOYMENT, "m1-kserve"), (SERVICE, "m1-kserve-workload-svc"), (HTTP_ROUTE, "m1-kserve-route")):
        child = client.get(kind, name, world.namespace)
        assert child is not None
        assert child["metadata"]["ownerReferences"][0]["uid"] == ready["metadata"]["uid"]


def test_a_deleted_model_takes_its_parts_with_it(world: World) -> None:
    world.service("m1")
    client = world.client
    client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, bool)
    client.delete(LLM_INFERENCE_SERVICE, "m1", world.namespace)
    client.until(LLM_INFERENCE_SERVICE, "m1", world.namespace, gone)
    for kind, name in ((DEPLOYMENT, "m1-kserve"), (SERVICE, "m1-kserve-workload-svc"), (HTTP_ROUTE, "m1-kserve-route")):
        client.until(kind, name, world.namespace, gone)


def test_a_part_that_somebody_deletes_or_edits_comes_back(world: World) -> None:
    world.service("m1")
    client = world.client
    first = client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, bool)
    assert first is not None
    client.delete(HTTP_ROUTE, "m1-kserve-route", world.namespace)
    client.until(
        HTTP_ROUTE, "m1-kserve-route", world.namespace, lambda m: m and m["metadata"]["uid"] != first["metadata"]["uid"]
    )
    client.patch(HTTP_ROUTE, "m1-kserve-route", {"spec": {"rules": first["spec"]["rules"][:1]}}, world.namespace)
    client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, lambda m: m and len(m["spec"]["rules"]) == 12)


@pytest.mark.row("MAAS-LLM-009", "MAAS-SETUP-004")
def test_without_gateway_references_the_standard_gateway_serves(world: World) -> None:
    world.service("m1", gateways=[])
    route = world.client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, bool)
    assert parents(route) == ["openshift-ai-inference"]
    world.available("m1")
    ready = world.client.until(LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("Ready", "True"))
    assert ready is not None
    assert find(ready["status"]["conditions"], "GatewaysReady") is None


@pytest.mark.row("MAAS-SETUP-001", "MAAS-SETUP-002")
def test_the_guides_json_patch_moves_a_model_to_the_maas_gateway_and_its_removal_back(world: World) -> None:
    world.service("m1", gateways=[])
    client = world.client
    client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, bool)
    opt_in = [{"op": "add", "path": "/spec/router/gateway/refs/-", "value": MAAS_GATEWAY}]
    client.patch(LLM_INFERENCE_SERVICE, "m1", opt_in, world.namespace)
    client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, lambda m: parents(m) == ["maas-default-gateway"])
    opt_out = [{"op": "remove", "path": "/spec/router/gateway/refs/0"}]
    client.patch(LLM_INFERENCE_SERVICE, "m1", opt_out, world.namespace)
    client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, lambda m: parents(m) == ["openshift-ai-inference"])


def test_a_missing_gateway_is_named_and_its_arrival_noticed(world: World) -> None:
    from harness.simulator.controllers.runtime.kind import GATEWAY

    name = world.name("late")
    world.service("m1", gateways=[{"name": name, "namespace": "openshift-ingress"}])
    client = world.client
    found = client.until(
        LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("GatewaysReady", "False", "RefsInvalid")
    )
    assert found is not None
    assert f"openshift-ingress/{name} does not exist" in find(found["status"]["conditions"], "GatewaysReady")["message"]
    assert client.get(HTTP_ROUTE, "m1-kserve-route", world.namespace) is None
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    client.create(GATEWAY, name, "openshift-ingress", spec={"gatewayClassName": "x", "listeners": [listener]})
    client.until(LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("GatewaysReady", "True"))
    assert parents(client.get(HTTP_ROUTE, "m1-kserve-route", world.namespace)) == [name]


def test_a_model_scaled_to_nothing_is_not_ready(world: World) -> None:
    world.service("m1")
    world.available("m1")
    client = world.client
    client.until(LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("Ready", "True"))
    client.patch(LLM_INFERENCE_SERVICE, "m1", {"spec": {"replicas": 0}}, world.namespace)
    client.until(
        LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("Ready", "False", "MinimumReplicasUnavailable")
    )
    client.until(DEPLOYMENT, "m1-kserve", world.namespace, lambda m: m and m["spec"]["replicas"] == 0)


def test_a_stopped_model_has_no_parts_and_a_started_one_has_them_again(world: World) -> None:
    world.service("m1")
    client = world.client
    client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, bool)
    stop = {"metadata": {"annotations": {"serving.kserve.io/stop": "true"}}}
    client.patch(LLM_INFERENCE_SERVICE, "m1", stop, world.namespace)
    client.until(LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("Ready", "False", "Stopped"))
    for kind, name in ((DEPLOYMENT, "m1-kserve"), (SERVICE, "m1-kserve-workload-svc"), (HTTP_ROUTE, "m1-kserve-route")):
        client.until(kind, name, world.namespace, gone)
    start = {"metadata": {"annotations": {"serving.kserve.io/stop": None}}}
    client.patch(LLM_INFERENCE_SERVICE, "m1", start, world.namespace)
    client.until(HTTP_ROUTE, "m1-kserve-route", world.namespace, bool)


@pytest.mark.row("MAAS-TIER-001", "MAAS-TIER-002", "MAAS-TIER-003", "MAAS-TIER-004")
def test_the_tiers_annotation_converges_to_roles_and_bindings(world: World) -> None:
    world.service("m1", metadata={"annotations": {TIERS: "[]"}})
    client = world.client
    for tier in ("free", "premium", "enterprise"):
        client.until(ROLE_BINDING, f"m1-tier-{tier}", world.namespace, bool)
        client.until(ROLE, f"m1-tier-{tier}", world.namespace, bool)
    client.patch(LLM_INFERENCE_SERVICE, "m1", {"metadata": {"annotations": {TIERS: '["premium"]'}}}, world.namespace)
    for tier in ("free", "enterprise"):
        client.until(ROLE_BINDING, f"m1-tier-{tier}", world.namespace, gone)
        client.until(ROLE, f"m1-tier-{tier}", world.namespace, gone)
    assert client.get(ROLE_BINDING, "m1-tier-premium", world.namespace) is not None
    client.patch(LLM_INFERENCE_SERVICE, "m1", {"metadata": {"annotations": {TIERS: None}}}, world.namespace)
    client.until(ROLE_BINDING, "m1-tier-premium", world.namespace, gone)


@pytest.mark.row("MAAS-TIER-005")
def test_malformed_tiers_grant_nothing_are_reported_and_break_nothing_else(world: World) -> None:
    world.service("m1", metadata={"annotations": {TIERS: '["premium"]'}})
    client = world.client
    client.until(ROLE_BINDING, "m1-tier-premium", world.namespace, bool)
    client.patch(LLM_INFERENCE_SERVICE, "m1", {"metadata": {"annotations": {TIERS: '"premium"'}}}, world.namespace)
    client.until(ROLE_BINDING, "m1-tier-premium", world.namespace, gone)
    client.until(LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("TierAccessReady", "False", "InvalidTiers"))
    world.available("m1")
    client.until(LLM_INFERENCE_SERVICE, "m1", world.namespace, condition("Ready", "True"))
    events = client.all(EVENT, world.namespace)
    assert [event["type"] for event in events if event["reason"] == "InvalidTiers"] == ["Warning"]
