"""What tenants, and what belongs to them, say of themselves while they come, lack something, or are somebody else's."""

from typing import Any

from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Expectation, has_phase
from harness.platforms.platform import Need
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.force import model_ref
from harness.world.governance import MAAS
from harness.world.tenant import expect_object
from harness.world.twin import registration
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")
CONDITION_FIELDS = {"type", "status", "reason", "message", "lastTransitionTime"}


def standing(ref: Ref, status: str, reason: str) -> Expectation:
    """The object's Ready condition has that status and reason."""

    def holds(manifest: Manifest | None) -> bool:
        entry = condition(manifest, "Ready") if manifest else None
        return entry is not None and (entry.get("status"), entry.get("reason")) == (status, reason)

    return Expectation(ref, f"Ready={status} ({reason})", holds)


def phase(manifest: Manifest | None) -> Any:
    """`status.phase`."""
    return ((manifest or {}).get("status") or {}).get("phase")


@check("MAAS-STAT-041", "MAAS-CRD-084", needs=NEEDS)
def test_a_tenant_waits_for_its_gateway(world: World) -> None:
    tenant = world.tenant(opened=False)
    cluster = world.estate.cluster
    cluster.apply(tenant.manifest())
    found = expect_object(tenant, standing(tenant.ref, "False", "GatewayCheckFailed"))
    expect_equal(phase(found), "Failed", of="phase of a tenant without a Gateway")
    unserved = tenant.gateway_manifest()
    unserved["spec"]["gatewayClassName"] = f"{tenant.name}-nobodys"
    cluster.apply(unserved)
    found = expect_object(tenant, standing(tenant.ref, "False", "TenantConfigNotReady"))
    expect_equal(phase(found), "Pending", of="phase of a tenant whose Gateway nobody serves")
    config = expect_object(tenant, standing(tenant.config, "False", "GatewayNotReady"))
    expect_equal(phase(config), "Pending", of="phase of its MaasTenantConfig", requirement="MAAS-STAT-040")
    cluster.apply(tenant.gateway_manifest())
    found = expect_object(tenant, standing(tenant.ref, "True", "Reconciled"))
    expect_equal(phase(found), "Active", of="phase once the Gateway is programmed")


@check("MAAS-STAT-040", "MAAS-CRD-094", needs=NEEDS)
def test_a_configuration_says_what_its_tenant_lacks(world: World) -> None:
    tenant = world.tenant()
    cluster = world.estate.cluster
    found = expect_object(tenant, has_phase(tenant.config, "Active"), requirement="MAAS-CRD-094") or {}
    expect_equal(phase(found), "Active", of="phase", requirement="MAAS-CRD-094")
    infra = world.wire.platform.namespaces.infra
    expect_equal(found["status"].get("infraNamespace"), infra, of="infraNamespace", requirement="MAAS-CRD-094")
    wanted = {"Ready", "DependenciesAvailable", "MaaSPrerequisitesAvailable", "DeploymentsAvailable", "Degraded"}
    kinds = {entry["type"] for entry in found["status"]["conditions"]}
    expect(
        wanted <= kinds,
        expected=f"conditions {sorted(wanted)}",
        observed=repr(sorted(kinds)),
        requirement="MAAS-CRD-094",
    )
    for entry in found["status"]["conditions"]:
        lacking = CONDITION_FIELDS - set(entry)
        expect_equal(lacking, set(), of=f"fields that {entry.get('type')} lacks", requirement="MAAS-CRD-094")
    expect_equal((condition(found, "Ready") or {}).get("reason"), "Reconciled", of="reason")
    cluster.patch(tenant.workload, {"metadata": {"annotations": {"opendatahub.io/managed": "false"}}})
    cluster.patch(tenant.workload, {"spec": {"replicas": 0}})
    found = expect_object(tenant, standing(tenant.config, "False", "DeploymentsNotReady")) or {}
    expect_equal(phase(found), "Pending", of="phase without a management API")
    cluster.patch(tenant.workload, {"spec": {"replicas": 1}})
    expect_object(tenant, standing(tenant.config, "True", "Reconciled"))
    cluster.delete(tenant.gateway)
    found = expect_object(tenant, standing(tenant.config, "False", "InvalidGateway")) or {}
    expect_equal(phase(found), "Failed", of="phase without a Gateway")


@check("MAAS-MT-012", needs=NEEDS)
def test_a_model_of_a_shared_namespace_is_given_to_a_tenant_and_taken_back(world: World) -> None:
    tenant = world.common_tenant()
    cluster, who = world.estate.cluster, world.identity()
    model = tenant.new_model(registered=False).handle
    tenant.declare(registration(model))
    subscription = tenant.subscription(who, models=model, awaited=False)
    policy = tenant.policy(who, models=model, awaited=False)
    tenant.settle()
    found = expect_object(tenant, has_phase(model_ref(model), "Failed")) or {}
    expect("resolvedTenantRef" not in found["status"], expected="no resolvedTenantRef", observed=repr(found["status"]))
    cluster.patch(model_ref(model), {"spec": {"tenantRef": tenant.name}})
    found = expect_object(tenant, has_phase(model_ref(model), "Ready")) or {}
    expect_equal(found["status"].get("resolvedTenantRef"), tenant.name, of="resolvedTenantRef")
    gateway = (found["status"].get("httpRouteGatewayNamespace"), found["status"].get("httpRouteGatewayName"))
    expect_equal(gateway, (tenant.gateway.namespace, tenant.gateway.name), of="gateway of the model's route")
    tenant.await_in_force(subscription, policy)
    expect_served(tenant.subscriber(who, subscription).infer())
    cluster.patch(model_ref(model), {"spec": {"tenantRef": None}})
    found = expect_object(tenant, has_phase(model_ref(model), "Failed")) or {}
    expect("resolvedTenantRef" not in found["status"], expected="no resolvedTenantRef", observed=repr(found["status"]))


@check("MAAS-RATE-026", needs=NEEDS)
def test_a_subscription_to_another_tenants_model_fails(world: World) -> None:
    tenant = world.common_tenant()
    who = world.identity()
    subscription = tenant.subscription(who, models=world.model(), awaited=False)
    tenant.settle()
    found = expect_object(tenant, has_phase(subscription.ref, "Failed")) or {}
    message = str((condition(found, "Ready") or {}).get("message"))
    text = "is not attached to tenant gateway"
    expect(text in message, expected=f"a Ready condition that says {text!r}", observed=repr(message))


@check("MAAS-MT-008", needs=NEEDS)
def test_labels_make_a_namespace_a_tenants(world: World) -> None:
    cluster, who = world.estate.cluster, world.identity()
    namespace = world.space("later")
    metadata = {"name": "default-tenant", "namespace": namespace}
    world.declare({"apiVersion": MAAS, "kind": "MaasTenantConfig", "metadata": metadata, "spec": {}})
    world.settle()
    ref = Ref("v1", "Namespace", namespace)

    def placed(name: str) -> Ref:
        """A subscription in that namespace, and one elsewhere after it, whose phase shows that the controller has seen both."""
        manifest = world.subscription(who, awaited=False).manifest()
        marker = world.subscription(who)
        place = Ref(MAAS, "MaaSSubscription", f"{world.name}-{name}", namespace)
        world.declare({**manifest, "metadata": {"name": place.name, "namespace": namespace}})
        world.settle()
        expect(phase(cluster.get(marker.ref)) == "Active", expected="an Active subscription elsewhere", observed="none")
        return place

    early = placed("early")
    expect_ignored(cluster.get(early))
    labels = {"maas.opendatahub.io/managed-by-aitenant": "true", "maas.opendatahub.io/tenant-name": namespace}
    cluster.patch(ref, {"metadata": {"labels": labels}})
    found = world.await_phase(early, "Active", "Degraded", "Failed", "Pending")
    expect(bool(found["metadata"].get("finalizers")), expected="a finalizer", observed=repr(found["metadata"]))
    cluster.patch(ref, {"metadata": {"labels": dict.fromkeys(labels)}})
    expect_ignored(cluster.get(placed("late")))


def expect_ignored(found: Manifest | None) -> None:
    """No controller has touched it."""
    assert found is not None
    touched = (phase(found), found["metadata"].get("finalizers"))
    expect_equal(touched, (None, None), of="phase and finalizers of a subscription that is nobody's")
