"""From an AITenant to a platform of its own: what is made for it, what it says of itself, and what may not be created."""

from typing import Any

from harness.engine.declaration import check
from harness.kube.access import Permission, may_as
from harness.kube.columns import Column, columns_of
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Expectation, has_phase
from harness.platforms.platform import Need
from harness.world.admission import admitted
from harness.world.expectations import expect, expect_equal, expect_served, fail
from harness.world.force import model_ref
from harness.world.governance import MAAS
from harness.world.tenant import AITENANTS, Tenant, expect_object
from harness.world.twin import registration
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")
CONDITION_FIELDS = {"type", "status", "reason", "message", "lastTransitionTime"}


def got(tenant: Tenant, ref: Ref, *, requirement: str | None = None) -> Manifest:
    """An object that has to be there."""
    found = tenant.estate.cluster.get(ref)
    expect(found is not None, expected=f"{ref}", observed="it does not exist", requirement=requirement)
    return found or {}


def standing(ref: Ref, status: str, reason: str) -> Expectation:
    """The object's Ready condition has that status and reason."""

    def holds(manifest: Manifest | None) -> bool:
        entry = condition(manifest, "Ready") if manifest else None
        return entry is not None and (entry.get("status"), entry.get("reason")) == (status, reason)

    return Expectation(ref, f"Ready={status} ({reason})", holds)


def phase(manifest: Manifest | None) -> Any:
    """`status.phase`."""
    return ((manifest or {}).get("status") or {}).get("phase")


@check("MAAS-MT-001", "MAAS-CRD-081", "MAAS-CRD-084", "MAAS-CRD-086", needs=NEEDS)
def test_a_tenant_has_a_namespace_and_a_gateway(world: World) -> None:
    usual = Ref(
        "gateway.networking.k8s.io/v1", "Gateway", "maas-default-gateway", world.wire.platform.namespaces.gateway
    )
    before = world.estate.cluster.get(usual)
    tenant = world.tenant()
    found = got(tenant, tenant.ref)
    status = found["status"]
    expect_equal(status["phase"], "Active", of="phase", requirement="MAAS-CRD-084")
    expect_equal(status["tenantNamespace"], tenant.namespace, of="tenantNamespace", requirement="MAAS-CRD-084")
    wanted = {"namespace": tenant.gateway.namespace, "name": tenant.name}
    expect_equal(
        status["gatewayRef"], wanted, of="gatewayRef of a tenant that names no gateway", requirement="MAAS-CRD-081"
    )
    ready = condition(found, "Ready") or {}
    expect(
        set(ready) >= CONDITION_FIELDS, expected=f"a condition with {sorted(CONDITION_FIELDS)}", observed=repr(ready)
    )
    finalizers = found["metadata"].get("finalizers") or []
    expect(
        "maas.opendatahub.io/aitenant-cleanup" in finalizers,
        expected="the finalizer aitenant-cleanup",
        observed=repr(finalizers),
        requirement="MAAS-CRD-086",
    )
    metadata = got(tenant, Ref("v1", "Namespace", tenant.namespace))["metadata"]
    labels = {
        "ai-gateway.opendatahub.io/tenant": tenant.name,
        "maas.opendatahub.io/managed-by-aitenant": "true",
        "maas.opendatahub.io/tenant-name": tenant.name,
        "maas.opendatahub.io/tenant-namespace": tenant.namespace,
        "maas.opendatahub.io/gateway-access": "true",
    }
    shown = {name: (metadata.get("labels") or {}).get(name) for name in labels}
    expect_equal(shown, labels, of="labels of the tenant's namespace", requirement="MAAS-MT-001")
    notes = metadata.get("annotations") or {}
    expect(
        {tenant.name, AITENANTS} <= set(notes.values()),
        expected="annotations that name the AITenant",
        observed=repr(notes),
        requirement="MAAS-MT-001",
    )
    after = world.estate.cluster.get(usual)
    assert before is not None
    assert after is not None
    expect_equal(after["spec"], before["spec"], of="spec of the default Gateway", requirement="MAAS-MT-001")


@check("MAAS-MT-002", "MAAS-GW-008", "MAAS-GW-009", needs=(*NEEDS, "kuadrant"))
def test_a_tenant_has_a_stack_of_its_own(world: World) -> None:
    tenant = world.tenant()
    workload = got(tenant, tenant.workload, requirement="MAAS-MT-002")
    container = workload["spec"]["template"]["spec"]["containers"][0]
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    expect_equal(variables.get("TENANT_NAME"), tenant.name, of="TENANT_NAME", requirement="MAAS-MT-002")
    service = got(tenant, tenant.service, requirement="MAAS-MT-002")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    expect(
        bool(service["spec"].get("selector")) and service["spec"]["selector"].items() <= labels.items(),
        expected="a Service that selects the Deployment's Pods",
        observed=f"selector {service['spec'].get('selector')}, labels {labels}",
        requirement="MAAS-MT-002",
    )
    parents = [(ref.get("namespace"), ref["name"]) for ref in got(tenant, tenant.route)["spec"]["parentRefs"]]
    expect_equal(
        parents, [(tenant.gateway.namespace, tenant.name)], of="parents of the route", requirement="MAAS-MT-002"
    )
    expect_guarded(tenant, tenant.name, tenant.auth_policy.name, f"gateway-default-deny-{tenant.name}")


@check("MAAS-GW-008", "MAAS-GW-009", needs={"kube", "kuadrant"})
def test_the_default_gateway_is_guarded_once(world: World) -> None:
    expect_guarded(world, "maas-default-gateway", "maas-gateway-auth", "gateway-default-deny")


def expect_guarded(world: World, gateway: str, auth: str, deny: str) -> None:
    """One AuthPolicy on the gateway and none on a model's route; a limit of nothing for what has none of its own."""
    cluster, place = world.estate.cluster, world.wire.platform.namespaces.gateway
    policies = cluster.objects("kuadrant.io/v1", "AuthPolicy")
    ours = [
        one
        for one in policies
        if (one["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by") == "maas-controller"
    ]
    here = [
        one["metadata"]["name"]
        for one in ours
        if one["metadata"]["namespace"] == place and one["spec"]["targetRef"]["name"] == gateway
    ]
    expect_equal(here, [auth], of=f"MaaS AuthPolicies of Gateway {gateway}", requirement="MAAS-GW-008")
    kinds = {one["spec"]["targetRef"]["kind"] for one in ours}
    expect_equal(kinds, {"Gateway"}, of="what MaaS AuthPolicies target", requirement="MAAS-GW-008")
    found = cluster.get(Ref("kuadrant.io/v1alpha1", "TokenRateLimitPolicy", deny, place))
    expect(found is not None, expected=f"TokenRateLimitPolicy {deny}", observed="none", requirement="MAAS-GW-009")
    spec = (found or {})["spec"]
    expect_equal(
        (spec["targetRef"]["kind"], spec["targetRef"]["name"]),
        ("Gateway", gateway),
        of="its target",
        requirement="MAAS-GW-009",
    )
    [limit] = spec["limits"].values()
    expect_equal(limit["rates"], [{"limit": 0, "window": "1m"}], of="its rates", requirement="MAAS-GW-009")
    said = " ".join(one["predicate"] for one in limit["when"])
    for prefix in ("/maas-api", "/v1/models", "/v1/subscriptions", "/v1/api-keys"):
        expect(f'"{prefix}"' in said, expected=f"an exception for {prefix}", observed=said, requirement="MAAS-GW-009")


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
    found = got(tenant, tenant.config)
    expect_equal(phase(found), "Active", of="phase", requirement="MAAS-CRD-094")
    infra = world.wire.platform.namespaces.infra
    expect_equal(found["status"]["infraNamespace"], infra, of="infraNamespace", requirement="MAAS-CRD-094")
    wanted = {"Ready", "DependenciesAvailable", "MaaSPrerequisitesAvailable", "DeploymentsAvailable", "Degraded"}
    kinds = {entry["type"] for entry in found["status"]["conditions"]}
    expect(
        wanted <= kinds,
        expected=f"conditions {sorted(wanted)}",
        observed=repr(sorted(kinds)),
        requirement="MAAS-CRD-094",
    )
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


@check("MAAS-CRD-085", "MAAS-CRD-095", needs={"kube"})
def test_the_columns_that_kubectl_prints_of_tenants(world: World) -> None:
    cluster = world.estate.cluster
    for kind, requirement, wanted in (
        ("AITenant", "MAAS-CRD-085", [Column("READY"), Column("TENANT NAMESPACE"), Column("GATEWAY"), Column("AGE")]),
        (
            "MaasTenantConfig",
            "MAAS-CRD-095",
            [Column("READY"), Column("REASON"), Column("AGE"), Column("INFRANAMESPACE", wide=True)],
        ),
    ):
        found = [Column(one.name.upper(), one.wide) for one in columns_of(cluster, MAAS, kind)]
        expect_equal(found, wanted, of=f"printed columns of {kind}", requirement=requirement)


def expect_forbidden(world: World, manifest: Manifest, text: str) -> None:
    """The API server refuses the object with a sentence that says this."""
    try:
        world.estate.cluster.create(manifest, dry_run=True)
    except Rejected as refused:
        expect(text in refused.message, expected=f"a refusal that says {text!r}", observed=repr(refused.message))
    else:
        fail(f"{Ref.of(manifest)} is refused", "it was admitted")


@check("MAAS-WH-004", needs=NEEDS)
def test_a_tenant_may_be_made_in_one_namespace_alone(world: World) -> None:
    tenant = world.tenant(opened=False)
    elsewhere = world.space("elsewhere")
    world.settle()
    admitted(world.estate.cluster, tenant.manifest())
    misplaced = {**tenant.manifest(), "metadata": {"name": tenant.name, "namespace": elsewhere}}
    expect_forbidden(world, misplaced, "configured AITenant infrastructure namespace")


@check("MAAS-WH-005", needs=NEEDS)
def test_two_tenants_may_not_share_a_gateway(world: World) -> None:
    tenant, rival = world.tenant(), world.tenant(opened=False)
    cluster = world.estate.cluster
    claim = {"gateway": {"name": tenant.gateway.name}}
    text = f"gateway {tenant.gateway.namespace}/{tenant.gateway.name} is already in use by AITenant"
    expect_forbidden(world, {**rival.manifest(), "spec": claim}, text)
    cluster.apply(rival.manifest())
    try:
        cluster.patch(rival.ref, {"spec": claim})
    except Rejected as refused:
        expect(text in refused.message, expected=f"a refusal that says {text!r}", observed=repr(refused.message))
    else:
        fail("an edit that claims another tenant's gateway is refused", "it was admitted")
    cluster.patch(tenant.ref, {"metadata": {"labels": {"touched": "yes"}}})


@check("MAAS-WH-006", needs=NEEDS)
def test_a_model_cannot_be_given_to_a_tenant_that_does_not_exist(world: World) -> None:
    tenant = world.tenant(opened=False)
    cluster, text = world.estate.cluster, "references AITenant that does not exist"
    twin = world.new_model(governed=False)
    world.settle()
    manifest = registration(twin.handle.model_copy(update={"name": f"{twin.handle.name}-b"}))
    admitted(cluster, manifest)
    expect_forbidden(world, {**manifest, "spec": {**manifest["spec"], "tenantRef": tenant.name}}, text)
    try:
        cluster.patch(model_ref(twin.handle), {"spec": {"tenantRef": tenant.name}})
    except Rejected as refused:
        expect(text in refused.message, expected=f"a refusal that says {text!r}", observed=repr(refused.message))
    else:
        fail("an edit that gives a model to a tenant that does not exist is refused", "it was admitted")


@check("MAAS-MT-012", needs=NEEDS)
def test_a_model_of_a_shared_namespace_is_given_to_a_tenant_and_taken_back(world: World) -> None:
    tenant = world.tenant()
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
    tenant = world.tenant()
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


@check("MAAS-MT-009", needs=(*NEEDS, "administrators"))
def test_an_administrators_role_waits_to_be_bound(world: World) -> None:
    tenant = world.tenant()
    cluster, who = world.estate.cluster, world.identity()
    roles = [
        one
        for one in cluster.objects("rbac.authorization.k8s.io/v1", "Role", namespace=tenant.namespace)
        if grants(one)
    ]
    expect(len(roles) == 1, expected="a Role that lets its bearer make subscriptions", observed=f"{len(roles)} of them")
    bound = [
        one["metadata"]["name"]
        for one in cluster.objects("rbac.authorization.k8s.io/v1", "RoleBinding", namespace=tenant.namespace)
    ]
    expect_equal(bound, [], of="RoleBindings in the tenant's namespace")
    wanted = Permission("create", "maassubscriptions", "maas.opendatahub.io", tenant.namespace)
    world.settle()
    expect(
        not may_as(cluster, wanted, user=who.username, groups=who.groups), expected="no right before", observed="one"
    )
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": roles[0]["metadata"]["name"]}
    subject = {"kind": "ServiceAccount", "name": who.account.name, "namespace": who.account.namespace}
    tenant.declare(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{world.name}-admin", "namespace": tenant.namespace},
            "roleRef": role,
            "subjects": [subject],
        }
    )
    tenant.settle()
    expect(may_as(cluster, wanted, user=who.username, groups=who.groups), expected=f"may {wanted}", observed="may not")
    home = world.wire.platform.namespaces.subscriptions
    for namespace in (home, world.estate.namespace):
        other = Permission("create", "maassubscriptions", "maas.opendatahub.io", namespace)
        expect(
            not may_as(cluster, other, user=who.username, groups=who.groups),
            expected=f"may not {other}",
            observed="may",
        )


def grants(role: Manifest) -> bool:
    """Whether a Role lets its bearer create subscriptions."""
    return any(
        "maas.opendatahub.io" in rule.get("apiGroups", ())
        and {"maassubscriptions", "*"} & set(rule.get("resources", ()))
        and {"create", "*"} & set(rule.get("verbs", ()))
        for rule in role.get("rules") or ()
    )
