"""What the controller refuses before it is stored, asked by a real API server over TLS."""

from pathlib import Path
from typing import Any

import pytest
from lightkube import ApiError

from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    GATEWAY,
    MAAS_AUTH_POLICY,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    VALIDATING_WEBHOOKS,
)
from harness.simulator.controllers.runtime.manifest import Key
from tests.controllers.client import Client
from tests.controllers.conftest import CONTROL, INGRESS, ROOT, TENANT, Platform, Running
from tests.controllers.world import World, phase

HOOKS = "maas-controller-validating-webhook"


@pytest.fixture
def world(platform: Platform) -> World:
    platform.client.until(VALIDATING_WEBHOOKS, HOOKS, "", bool)
    return World(platform.client)


@pytest.mark.row("MAAS-WH-001", "MAAS-WH-002")
def test_a_namespace_without_a_tenant_takes_no_subscription_and_no_policy(world: World) -> None:
    key = Key(world.namespace, "m1")
    for create in (world.subscribe, world.allow):
        with pytest.raises(ApiError, match="is not enabled for MaaS tenant resources") as refused:
            create("x", key, namespace=world.namespace)
        assert "Create a MaasTenantConfig CR" in str(refused.value)
        assert refused.value.status.code == 403
    assert world.client.get(MAAS_SUBSCRIPTION, world.name("x"), world.namespace) is None
    assert world.client.get(MAAS_AUTH_POLICY, world.name("x"), world.namespace) is None


@pytest.mark.row("MAAS-WH-001", "MAAS-WH-003")
def test_a_configuration_of_a_moment_ago_opens_the_namespace_and_its_end_closes_no_update(world: World) -> None:
    client = world.client
    client.create(MAAS_TENANT_CONFIG, "default-tenant", world.namespace, spec={})
    name = world.subscribe("sub", Key(world.namespace, "m1"), namespace=world.namespace)
    client.delete(MAAS_TENANT_CONFIG, "default-tenant", world.namespace)
    changed = client.patch(MAAS_SUBSCRIPTION, name, {"spec": {"priority": 7}}, world.namespace)
    assert changed["spec"]["priority"] == 7


@pytest.mark.row("MAAS-WH-004")
def test_tenants_live_in_their_own_namespace_only(world: World) -> None:
    with pytest.raises(ApiError, match="configured AITenant infrastructure namespace"):
        world.client.create(AI_TENANT, "t", world.namespace, spec={})


@pytest.mark.row("MAAS-WH-005")
def test_two_tenants_share_no_gateway(world: World) -> None:
    client, first, second = world.client, world.name("a"), world.name("b")
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    client.create(GATEWAY, first, INGRESS, spec={"gatewayClassName": "x", "listeners": [listener]})
    client.create(AI_TENANT, first, "ai-tenants", spec={})
    with pytest.raises(ApiError, match=f"gateway {INGRESS}/{first} is already in use by AITenant"):
        client.create(AI_TENANT, second, "ai-tenants", spec={"gateway": {"name": first}})
    client.create(AI_TENANT, second, "ai-tenants", spec={})
    with pytest.raises(ApiError, match="is already in use by AITenant"):
        client.patch(AI_TENANT, second, {"spec": {"gateway": {"name": first}}}, "ai-tenants")


@pytest.mark.row("MAAS-WH-006")
def test_a_model_refers_to_no_tenant_that_does_not_exist(world: World) -> None:
    with pytest.raises(ApiError, match="references AITenant that does not exist"):
        world.model("m1", spec={"tenantRef": "nobody"})
    world.model("m1")
    with pytest.raises(ApiError, match="references AITenant that does not exist"):
        world.client.patch(MAAS_MODEL_REF, "m1", {"spec": {"tenantRef": "nobody"}}, world.namespace)


@pytest.mark.row("MAAS-WH-008")
def test_ghosts_equal_priorities_and_long_windows_are_admitted(world: World) -> None:
    name = world.subscribe("sub", Key(world.namespace, "ghost"), window="9999h")
    world.client.until(MAAS_SUBSCRIPTION, name, TENANT, phase("Failed"))


def test_the_registration_comes_back_when_somebody_deletes_it(world: World) -> None:
    client = world.client
    before = client.until(VALIDATING_WEBHOOKS, HOOKS, "", bool)
    assert before is not None
    client.delete(VALIDATING_WEBHOOKS, HOOKS, "")
    client.until(VALIDATING_WEBHOOKS, HOOKS, "", lambda m: m and m["metadata"]["uid"] != before["metadata"]["uid"])
    with pytest.raises(ApiError, match="configured AITenant infrastructure namespace"):
        client.create(AI_TENANT, "t", world.namespace, spec={})


@pytest.mark.row("MAAS-WH-007")
@pytest.mark.parametrize("gracefully", [True, False])
def test_without_the_controller_such_writes_are_refused_until_it_is_back(tmp_path: Path, gracefully: bool) -> None:
    server = Running(
        "harness.simulator.kubeapi", tmp_path, "--dir", str(tmp_path), "--crds", str(ROOT / "fixtures/crds")
    ).wait()
    config = ("--kubeconfig", str(tmp_path / "admin.kubeconfig"))
    running = Running("harness.simulator.controllers", tmp_path, "maas", *config).wait()
    client = Client(tmp_path / "admin.kubeconfig")
    for namespace in (CONTROL, TENANT, "ns"):
        client.create(NAMESPACE, namespace)
    before = client.until(VALIDATING_WEBHOOKS, HOOKS, "", bool)
    spec = {"modelRef": {"kind": "LLMInferenceService", "name": "m"}}
    client.create(MAAS_MODEL_REF, "before", "ns", spec=spec)
    if gracefully:
        assert running.stop() == 0
    else:
        running.process.kill()
        running.process.wait(60)
    with pytest.raises(ApiError, match=r'failed calling webhook "vmaasmodelref\.maas\.opendatahub\.io"'):
        client.create(MAAS_MODEL_REF, "without", "ns", spec=spec)
    running.ready.unlink()
    again = Running("harness.simulator.controllers", tmp_path, "maas", *config).wait()
    client.until(VALIDATING_WEBHOOKS, HOOKS, "", lambda m: bundle(m) != bundle(before))
    client.create(MAAS_MODEL_REF, "after", "ns", spec=spec)
    again.stop()
    server.stop()


def bundle(configuration: dict[str, Any] | None) -> str:
    """The CA that the API server is to trust: a new one with each start of the controller."""
    assert configuration is not None
    return str(configuration["webhooks"][0]["clientConfig"]["caBundle"])
