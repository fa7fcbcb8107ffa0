"""From an AITenant to a platform of its own: what is made for it."""

from harness.engine.declaration import check
from harness.kube.access import Permission, may_as
from harness.kube.columns import Column, columns_of
from harness.kube.manifest import Manifest, Ref, condition
from harness.platforms.platform import Need
from harness.world.expectations import expect, expect_equal
from harness.world.governance import MAAS
from harness.world.tenant import AITENANTS, Tenant
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants")
CONDITION_FIELDS = {"type", "status", "reason", "message", "lastTransitionTime"}


def got(tenant: Tenant, ref: Ref, *, requirement: str | None = None) -> Manifest:
    """An object that has to be there."""
    found = tenant.estate.cluster.get(ref)
    expect(found is not None, expected=f"{ref}", observed="it does not exist", requirement=requirement)
    return found or {}


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
    expect_equal(status.get("tenantNamespace"), tenant.namespace, of="tenantNamespace", requirement="MAAS-CRD-084")
    wanted = {"namespace": tenant.gateway.namespace, "name": tenant.name}
    expect_equal(
        status.get("gatewayRef"), wanted, of="gatewayRef of a tenant that names no gateway", requirement="MAAS-CRD-081"
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
    tenant = world.common_tenant()
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
    counters = [one.get("expression") for one in limit.get("counters") or ()]
    expect_equal(counters, ["auth.identity.userid"], of="its counters: one for each user", requirement="MAAS-GW-009")
    said = " ".join(one["predicate"] for one in limit["when"])
    for prefix in ("/maas-api", "/v1/models", "/v1/subscriptions", "/v1/api-keys"):
        expect(f'"{prefix}"' in said, expected=f"an exception for {prefix}", observed=said, requirement="MAAS-GW-009")


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


@check("MAAS-MT-009", needs=(*NEEDS, "administrators"))
def test_an_administrators_role_waits_to_be_bound(world: World) -> None:
    tenant = world.common_tenant()
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
