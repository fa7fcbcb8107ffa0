"""A tenant from its creation to its end, by the controllers as a process on a real API server."""

import pytest

from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    CRON_JOB,
    DEPLOYMENT,
    HTTP_ROUTE,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    ROLE,
    SERVICE,
    TOKEN_RATE_LIMIT_POLICY,
)
from tests.controllers.conftest import INGRESS, Platform
from tests.controllers.tenants import gateway, tenant_in_force
from tests.controllers.workloads import INFRA, end_job, end_jobs, make_available, revocation_of
from tests.controllers.world import World, condition, gone, phase


@pytest.mark.row(
    "MAAS-MT-001", "MAAS-MT-002", "MAAS-MT-009", "MAAS-MT-012", "MAAS-STAT-040", "MAAS-STAT-041", "MAAS-CRD-086"
)
def test_a_tenant_comes_into_force(platform: Platform) -> None:
    world, client = World(platform.client), platform.client
    name = world.name("t")
    space = f"ai-tenant-{name}"
    client.create(AI_TENANT, name, "ai-tenants", spec={})
    found = client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "GatewayCheckFailed"))
    assert found is not None
    assert found["metadata"]["finalizers"] == ["maas.opendatahub.io/aitenant-cleanup"]
    gateway(client, name)
    client.until(MAAS_TENANT_CONFIG, "default-tenant", space, condition("Ready", "False", "DeploymentsNotReady"))
    client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "TenantConfigNotReady"))
    make_available(client, name)
    found = client.until(AI_TENANT, name, "ai-tenants", phase("Active"))
    assert found is not None
    assert found["status"]["gatewayRef"] == {"namespace": INGRESS, "name": name}
    assert found["status"]["tenantNamespace"] == space
    labels = (client.get(NAMESPACE, space) or {})["metadata"]["labels"]
    assert labels["maas.opendatahub.io/managed-by-aitenant"] == "true"
    assert labels["maas.opendatahub.io/gateway-access"] == "true"
    client.until(MAAS_TENANT_CONFIG, "default-tenant", space, phase("Active"))
    assert client.get(ROLE, "maas-tenant-admin", space) is not None
    client.until(AUTH_POLICY, f"{name}-maas-auth", INGRESS, bool)
    client.until(TOKEN_RATE_LIMIT_POLICY, f"gateway-default-deny-{name}", INGRESS, bool)
    client.until(HTTP_ROUTE, f"maas-api-route-{name}", INFRA, bool)

    key = world.service("m1", gateways=[{"name": name, "namespace": INGRESS}])
    world.model("m1", spec={"tenantRef": name})
    world.available("m1")
    subscription = world.subscribe("sub", key, namespace=space)
    world.allow("access", key, namespace=space)
    model = client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Ready"))
    assert model is not None
    assert model["status"]["resolvedTenantRef"] == name
    assert model["status"]["httpRouteGatewayName"] == name
    client.until(MAAS_SUBSCRIPTION, subscription, space, phase("Active"))


@pytest.mark.row("MAAS-MT-002", "MAAS-KEY-104", "MAAS-CTRL-022")
def test_what_runs_for_a_tenant_comes_back_when_it_is_deleted(platform: Platform) -> None:
    world, client = World(platform.client), platform.client
    name = world.name("t")
    tenant_in_force(client, name)
    deployed = client.get(DEPLOYMENT, f"maas-api-{name}", INFRA)
    assert deployed is not None
    container = deployed["spec"]["template"]["spec"]["containers"][0]
    variables = {entry["name"]: entry for entry in container["env"]}
    assert variables["TENANT_NAME"]["value"] == name
    assert variables["MAAS_SUBSCRIPTION_NAMESPACE"]["value"] == f"ai-tenant-{name}"
    assert variables["DB_CONNECTION_URL"]["valueFrom"]["secretKeyRef"]["name"] == "maas-db-config"
    managers = {(entry["manager"], entry["operation"]) for entry in deployed["metadata"]["managedFields"]}
    assert ("maas-controller", "Apply") in managers
    for kind, plural in ((DEPLOYMENT, f"maas-api-{name}"), (SERVICE, f"maas-api-{name}")):
        before = (client.get(kind, plural, INFRA) or {})["metadata"]["uid"]
        client.delete(kind, plural, INFRA)
        client.until(
            kind, plural, INFRA, lambda found, uid=before: found is not None and found["metadata"]["uid"] != uid
        )
    cron = client.get(CRON_JOB, f"maas-api-key-cleanup-{name}", INFRA)
    assert cron is not None
    assert (cron["spec"]["schedule"], cron["spec"]["concurrencyPolicy"]) == ("*/15 * * * *", "Forbid")
    errand = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert errand["args"][1].endswith("/internal/v1/api-keys/cleanup")
    assert errand["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.row("MAAS-CTRL-022")
def test_what_somebody_else_controls_is_left_alone(platform: Platform) -> None:
    world, client = World(platform.client), platform.client
    name = world.name("t")
    owner = client.create(SERVICE, world.name("owner"), INFRA, spec={"ports": [{"name": "x", "port": 1}]})
    reference = {"apiVersion": "v1", "kind": "Service", "name": world.name("owner"), "controller": True}
    client.create(
        SERVICE,
        f"maas-api-{name}",
        INFRA,
        metadata={"ownerReferences": [reference | {"uid": owner["metadata"]["uid"]}]},
        spec={"ports": [{"name": "http", "port": 1234}]},
    )
    tenant_in_force(client, name)
    kept = client.get(SERVICE, f"maas-api-{name}", INFRA)
    assert kept is not None
    assert [port["port"] for port in kept["spec"]["ports"]] == [1234]


@pytest.mark.row("MAAS-MT-010", "MAAS-MT-011", "MAAS-REV-010", "MAAS-STAT-041")
def test_a_tenant_ends_when_its_keys_are_revoked(platform: Platform) -> None:
    world, client = World(platform.client), platform.client
    name = world.name("t")
    space = f"ai-tenant-{name}"
    tenant_in_force(client, name)
    key = world.service("m1", gateways=[{"name": name, "namespace": INGRESS}])
    subscription = world.subscribe("sub", key, namespace=space)
    client.delete(AI_TENANT, name, "ai-tenants")
    found = client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "DeletionInProgress"))
    assert found is not None
    assert found["status"]["phase"] == "Terminating"
    job = revocation_of(client, name)
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][1].endswith(f"/internal/v1/tenants/{name}/api-keys")
    end_job(client, job, well=False)
    found = client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "DeletionBlocked"))
    assert find((found or {})["status"]["conditions"], "APIKeysRevoked")["status"] == "False"
    assert client.get(DEPLOYMENT, f"maas-api-{name}", INFRA) is not None
    end_jobs(client, name, well=True)
    client.until(AI_TENANT, name, "ai-tenants", gone)
    for kind, place, plural in (
        (DEPLOYMENT, INFRA, f"maas-api-{name}"),
        (SERVICE, INFRA, f"maas-api-{name}"),
        (CRON_JOB, INFRA, f"maas-api-key-cleanup-{name}"),
        (HTTP_ROUTE, INFRA, f"maas-api-route-{name}"),
        (AUTH_POLICY, INGRESS, f"{name}-maas-auth"),
        (TOKEN_RATE_LIMIT_POLICY, INGRESS, f"gateway-default-deny-{name}"),
        (MAAS_TENANT_CONFIG, space, "default-tenant"),
        (ROLE, space, "maas-tenant-admin"),
    ):
        client.until(kind, plural, place, gone)
    left = client.get(NAMESPACE, space)
    assert left is not None
    assert "maas.opendatahub.io/managed-by-aitenant" not in (left["metadata"].get("labels") or {})
    assert client.get(MAAS_SUBSCRIPTION, subscription, space) is not None


@pytest.mark.row("MAAS-MT-010")
def test_a_tenant_that_never_was_in_force_goes_at_once_and_leaves_a_persons_configuration(platform: Platform) -> None:
    world, client = World(platform.client), platform.client
    name = world.name("t")
    space = f"ai-tenant-{name}"
    client.create(NAMESPACE, space)
    client.create(MAAS_TENANT_CONFIG, "default-tenant", space, spec={})
    client.create(AI_TENANT, name, "ai-tenants", spec={})
    client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "GatewayCheckFailed"))
    client.delete(AI_TENANT, name, "ai-tenants")
    client.until(AI_TENANT, name, "ai-tenants", gone)
    assert client.get(MAAS_TENANT_CONFIG, "default-tenant", space) is not None


@pytest.mark.row("MAAS-STAT-041")
def test_a_namespace_that_is_another_tenants_is_not_taken(platform: Platform) -> None:
    world, client = World(platform.client), platform.client
    name = world.name("t")
    notes = {"maas.opendatahub.io/aitenant-name": "other", "maas.opendatahub.io/aitenant-namespace": "ai-tenants"}
    client.create(NAMESPACE, f"ai-tenant-{name}", metadata={"annotations": notes})
    gateway(client, name)
    client.create(AI_TENANT, name, "ai-tenants", spec={})
    found = client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "TenantNamespaceFailed"))
    assert found is not None
    assert found["status"]["phase"] == "Failed"
    kept = client.get(NAMESPACE, f"ai-tenant-{name}")
    assert kept is not None
    assert notes.items() <= kept["metadata"]["annotations"].items()


@pytest.mark.row("MAAS-RATE-026")
def test_a_model_of_another_tenant_is_no_model_for_a_subscription(platform: Platform) -> None:
    world, client = World(platform.client), platform.client
    name = world.name("t")
    tenant_in_force(client, name)
    key = world.service("m1")
    world.model("m1")
    subscription = world.subscribe("sub", key, namespace=f"ai-tenant-{name}")
    found = client.until(MAAS_SUBSCRIPTION, subscription, f"ai-tenant-{name}", phase("Failed"))
    assert found is not None
    assert "is not attached to tenant gateway" in find(found["status"]["conditions"], "Ready")["message"]
    assert client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace) is None
