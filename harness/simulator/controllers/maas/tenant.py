"""AITenants and MaasTenantConfigs as pure functions: placement, namespace, labels, and what their statuses say."""

from dataclasses import dataclass
from typing import Any

from harness.simulator.controllers.maas.names import DEFAULT_TENANT, MANAGED_BY, MANAGER, Settings
from harness.simulator.controllers.maas.view import TENANT_LABEL, TENANT_NAME_LABEL
from harness.simulator.controllers.runtime.condition import Condition, holds, truth, update
from harness.simulator.controllers.runtime.manifest import Key, Manifest, annotations, generation, spec, status

CONFIG = "default-tenant"
ADMIN_ROLE = "maas-tenant-admin"
STATE = "component.opendatahub.io/management-state"
REPLICAS = ("maas.opendatahub.io/maas-api-replicas", "maas.opendatahub.io/payload-processing-replicas")
MOST_REPLICAS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """Phase, reason and sentence for a Ready condition."""

    phase: str
    reason: str
    message: str


def namespace_of(tenant: str, settings: Settings) -> str:
    """The namespace of a tenant's subscriptions and access policies."""
    return settings.subscriptions if tenant == DEFAULT_TENANT else f"ai-tenant-{tenant}"


def gateway_of(tenant: Manifest, settings: Settings) -> Key:
    """The gateway a tenant asks for; without a wish the default tenant has the default one, others one of their own name."""
    name = tenant["metadata"]["name"]
    wished = (spec(tenant).get("gateway") or {}).get("name")
    own = settings.gateway.name if name == DEFAULT_TENANT else name
    return Key(settings.gateway.namespace, wished or own)


def namespace_labels(tenant: Key, settings: Settings) -> dict[str, str]:
    """Labels that make a namespace a tenant's, and let its routes attach to gateways that select by label."""
    return {
        "ai-gateway.opendatahub.io/tenant": tenant.name,
        TENANT_LABEL: "true",
        TENANT_NAME_LABEL: tenant.name,
        "maas.opendatahub.io/tenant-namespace": namespace_of(tenant.name, settings),
        "maas.opendatahub.io/gateway-access": "true",
    }


def namespace_annotations(tenant: Key) -> dict[str, str]:
    """Annotations that name the AITenant a namespace was made for."""
    return {
        "maas.opendatahub.io/aitenant-name": tenant.name,
        "maas.opendatahub.io/aitenant-namespace": tenant.namespace,
    }


def tenant_config(namespace: str) -> Manifest:
    """The object whose presence lets subscriptions and access policies be created in the namespace."""
    return {
        "apiVersion": "maas.opendatahub.io/v1alpha1",
        "kind": "MaasTenantConfig",
        "metadata": {"name": CONFIG, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}},
        "spec": {},
    }


def admin_role(namespace: str) -> Manifest:
    """May manage the tenant's own objects, and nothing outside its namespace. Binding it is left to people."""
    rule = {
        "apiGroups": ["maas.opendatahub.io"],
        "resources": ["maassubscriptions", "maasauthpolicies", "maastenantconfigs"],
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
    }
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": ADMIN_ROLE, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}},
        "rules": [rule],
    }


def judge_tenant(
    tenant: Manifest, settings: Settings, rivals: list[Manifest], gateway: Manifest | None, ready: bool
) -> Finding:
    """Where a tenant stands. `rivals`: older tenants with a claim to the same gateway; `ready`: its MaasTenantConfig is."""
    wanted = gateway_of(tenant, settings)
    if tenant["metadata"]["namespace"] != settings.tenants:
        text = f"expected in the configured AITenant infrastructure namespace {settings.tenants}"
        return Finding("Failed", "InvalidPlacement", text)
    if rivals:
        names = ", ".join(sorted(rival["metadata"]["name"] for rival in rivals))
        return Finding("Failed", "GatewayClaimFailed", f"gateway {wanted} is already in use by AITenant {names}")
    if gateway is None:
        return Finding("Failed", "GatewayCheckFailed", f"Gateway {wanted} does not exist")
    if not ready:
        return Finding("Pending", "TenantConfigNotReady", f"MaasTenantConfig {CONFIG} is not ready yet")
    return Finding("Active", "Reconciled", "the tenant is in force")


def tenant_status(tenant: Manifest, finding: Finding, settings: Settings, now: str) -> dict[str, Any]:
    """The whole status of an AITenant."""
    gateway = gateway_of(tenant, settings)
    ready = Condition("Ready", truth(finding.phase == "Active"), finding.reason, finding.message, generation(tenant))
    return {
        "phase": finding.phase,
        "tenantNamespace": namespace_of(tenant["metadata"]["name"], settings),
        "gatewayRef": {"namespace": gateway.namespace, "name": gateway.name},
        "conditions": update(status(tenant).get("conditions"), [ready], now),
    }


def judge_config(config: Manifest, gateway_name: Key, gateway: Manifest | None, serving: bool) -> Finding:
    """Where a MaasTenantConfig stands. `serving`: maas-api has an endpoint."""
    state = annotations(config).get(STATE, "Managed")
    if state == "Removed":
        return Finding("Pending", "WaitingForRemovedTeardown", "management-state is Removed")
    if state not in ("Managed", "Unmanaged"):
        return Finding(
            "Failed",
            "UnexpectedManagementState",
            f"management-state is {state!r}, expected Managed, Unmanaged or Removed",
        )
    if gateway is None:
        return Finding("Failed", "InvalidGateway", f"Gateway {gateway_name} does not exist")
    if not holds(status(gateway).get("conditions"), "Programmed"):
        return Finding("Pending", "GatewayNotReady", f"Gateway {gateway_name} is not programmed yet")
    if not serving:
        return Finding("Pending", "DeploymentsNotReady", "maas-api has no ready endpoint yet")
    return Finding("Active", "Reconciled", "the tenant's platform is in force")


def malformed_replicas(config: Manifest) -> str:
    """Which replica annotation is no number from 1 to 100; empty when all are."""
    for name in REPLICAS:
        value = annotations(config).get(name)
        if value is not None and not (value.isdecimal() and 1 <= int(value) <= MOST_REPLICAS):
            return f"annotation {name} is {value!r}, expected a number from 1 to {MOST_REPLICAS}"
    return ""


def config_status(config: Manifest, finding: Finding, settings: Settings, now: str) -> dict[str, Any]:
    """The whole status of a MaasTenantConfig."""
    observed = generation(config)
    malformed = malformed_replicas(config)
    gateway_ready = finding.reason not in ("InvalidGateway", "GatewayNotReady")
    serving = gateway_ready and finding.reason != "DeploymentsNotReady"
    conditions = [
        Condition("Ready", truth(finding.phase == "Active"), finding.reason, finding.message, observed),
        Condition("DependenciesAvailable", "True", "Available", "the policy kinds are served", observed),
        Condition(
            "MaaSPrerequisitesAvailable",
            truth(gateway_ready),
            "Available" if gateway_ready else finding.reason,
            "",
            observed,
        ),
        Condition("DeploymentsAvailable", truth(serving), "Available" if serving else finding.reason, "", observed),
        Condition(
            "Degraded",
            truth(bool(malformed)),
            "InvalidReplicaAnnotation" if malformed else "AsExpected",
            malformed,
            observed,
        ),
    ]
    phase = "Degraded" if malformed and finding.phase == "Active" else finding.phase
    return {
        "phase": phase,
        "infraNamespace": settings.infra,
        "conditions": update(status(config).get("conditions"), conditions, now),
    }
