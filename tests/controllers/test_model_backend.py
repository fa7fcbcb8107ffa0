"""What a MaaSModelRef waits for before it has a backend at all."""

import pytest

from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.kind import HTTP_ROUTE, LLM_INFERENCE_SERVICE, MAAS_MODEL_REF
from harness.simulator.controllers.runtime.manifest import Manifest
from tests.controllers.conftest import Platform
from tests.controllers.world import MAAS_GATEWAY, World, phase


@pytest.fixture
def world(platform: Platform) -> World:
    return World(platform.client)


def waits_for_a_route(found: Manifest | None) -> bool:
    conditions = ((found or {}).get("status") or {}).get("conditions") or []
    ready = find(conditions, "Ready")
    return phase("Pending")(found) and ready is not None and "Waiting for HTTPRoute to be created" in ready["message"]


@pytest.mark.row("MAAS-STAT-006")
def test_without_a_route_it_waits_and_with_one_it_is_ready(world: World) -> None:
    key = world.service("late", spec={"router": {}})
    world.model("late")
    world.subscribe("sub", key)
    world.allow("access", key)
    world.available("late")
    world.client.until(MAAS_MODEL_REF, "late", world.namespace, waits_for_a_route)
    assert not [route for route in world.client.all(HTTP_ROUTE, world.namespace) if "late" in route["metadata"]["name"]]
    router = {"route": {}, "gateway": {"refs": [MAAS_GATEWAY]}}
    world.client.patch(LLM_INFERENCE_SERVICE, "late", {"spec": {"router": router}}, world.namespace)
    world.client.until(MAAS_MODEL_REF, "late", world.namespace, phase("Ready"))


@pytest.mark.row("MAAS-LLM-002")
def test_a_service_of_another_namespace_is_no_backend(world: World, platform: Platform) -> None:
    elsewhere = World(platform.client)
    elsewhere.governed("m1")
    key = world.model("m1")
    world.subscribe("sub", key)
    world.allow("access", key)
    world.client.until(MAAS_MODEL_REF, "m1", world.namespace, waits_for_a_route)
    world.service("m1")
    world.available("m1")
    world.client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Ready"))
