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
PROGRAMMED_BY_GATEWAY = ("InvalidGateway", "GatewayNotReady")
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


def belongs_to(manifest: Manifest, tenant: Key) -> bool:
    """Whether an object was made for this AITenant."""
    return namespace_annotations(tenant).items() <= annotations(manifest).items()


def claimed_by_other(namespace: Manifest, tenant: Key) -> str:
    """The AITenant that a namespace was made for, when it is another one; empty when it is nobody else's."""
    notes = annotations(namespace)
    name, place = (notes.get(f"maas.opendatahub.io/aitenant-{part}", "") for part in ("name", "namespace"))
    return f"{place}/{name}" if name and (name, place) != (tenant.name, tenant.namespace) else ""


def tenant_config(namespace: str, tenant: Key) -> Manifest:
    """The object whose presence lets subscriptions and access policies be created in the namespace."""
    return {
        "apiVersion": "maas.opendatahub.io/v1alpha1",
        "kind": "MaasTenantConfig",
        "metadata": _owned(CONFIG, namespace, tenant),
        "spec": {},
    }


def _owned(name: str, namespace: str, tenant: Key) -> dict[str, Any]:
    notes = namespace_annotations(tenant)
    return {"name": name, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}, "annotations": notes}


def admin_role(namespace: str, tenant: Key) -> Manifest:
    """May manage the tenant's own objects, and nothing outside its namespace. Binding it is left to people."""
    rule = {
        "apiGroups": ["maas.opendatahub.io"],
        "resources": ["maassubscriptions", "maasauthpolicies", "maastenantconfigs"],
        "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
    }
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": _owned(ADMIN_ROLE, namespace, tenant),
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


@dataclass(frozen=True, slots=True)
class Footing:
    """What a tenant's platform stands on; each text says what is wrong, and is empty when nothing is.

    `serving`: its maas-api is available and has an endpoint.
    """

    dependencies: str = ""
    prerequisites: str = ""
    refused: str = ""
    serving: bool = True


def judge_config(config: Manifest, gateway_name: Key, gateway: Manifest | None, footing: Footing) -> Finding:
    """Where a MaasTenantConfig stands."""
    state = annotations(config).get(STATE, "Managed")
    if state == "Removed":
        return Finding("Pending", "WaitingForRemovedTeardown", "management-state is Removed")
    if state not in ("Managed", "Unmanaged"):
        return Finding(
            "Failed",
            "UnexpectedManagementState",
            f"management-state is {state!r}, expected Managed, Unmanaged or Removed",
        )
    programmed = gateway is not None and holds(status(gateway).get("conditions"), "Programmed")
    hurdles = (
        (bool(footing.dependencies), "Pending", "DependenciesNotAvailable", footing.dependencies),
        (bool(footing.prerequisites), "Failed", "PrerequisitesNotMet", footing.prerequisites),
        (gateway is None, "Failed", "InvalidGateway", f"Gateway {gateway_name} does not exist"),
        (not programmed, "Pending", "GatewayNotReady", f"Gateway {gateway_name} is not programmed yet"),
        (bool(footing.refused), "Failed", "PlatformReconcileFailed", footing.refused),
        (not footing.serving, "Pending", "DeploymentsNotReady", "maas-api is not available yet"),
    )
    met = (Finding(phase, reason, message) for holds_up, phase, reason, message in hurdles if holds_up)
    return next(met, Finding("Active", "Reconciled", "the tenant's platform is in force"))


def malformed_replicas(config: Manifest) -> str:
    """Which replica annotation is no number from 1 to 100; empty when all are."""
    for name in REPLICAS:
        value = annotations(config).get(name)
        if value is not None and not (value.isdecimal() and 1 <= int(value) <= MOST_REPLICAS):
            return f"annotation {name} is {value!r}, expected a number from 1 to {MOST_REPLICAS}"
    return ""


def config_status(config: Manifest, finding: Finding, footing: Footing, settings: Settings, now: str) -> dict[str, Any]:
    """The whole status of a MaasTenantConfig."""
    observed = generation(config)
    malformed = malformed_replicas(config)
    degraded = malformed or footing.refused

    def condition(kind: str, well: bool, otherwise: str, message: str = "") -> Condition:
        return Condition(kind, truth(well), "Available" if well else otherwise, message, observed)

    gateway_ready = finding.reason not in PROGRAMMED_BY_GATEWAY
    prepared = gateway_ready and not footing.prerequisites
    why = "PrerequisitesNotMet" if footing.prerequisites else finding.reason
    conditions = [
        Condition("Ready", truth(finding.phase == "Active"), finding.reason, finding.message, observed),
        condition("DependenciesAvailable", not footing.dependencies, "DependenciesNotAvailable", footing.dependencies),
        condition("MaaSPrerequisitesAvailable", prepared, why, footing.prerequisites),
        condition("DeploymentsAvailable", footing.serving, "DeploymentsNotReady"),
        Condition(
            "Degraded",
            truth(bool(degraded)),
            "InvalidReplicaAnnotation" if malformed else "PlatformReconcileFailed" if degraded else "AsExpected",
            degraded,
            observed,
        ),
    ]
    phase = "Degraded" if malformed and finding.phase == "Active" else finding.phase
    return {
        "phase": phase,
        "infraNamespace": settings.infra,
        "conditions": update(status(config).get("conditions"), conditions, now),
    }
