"""MaasTenantConfig: what runs for the tenant, and whether the tenant's platform is in force."""

from lightkube import ApiError

from harness.simulator.controllers.maas import tenant as tenants
from harness.simulator.controllers.maas import workload
from harness.simulator.controllers.maas.names import MANAGER
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    CRON_JOB,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    GATEWAY,
    MAAS_TENANT_CONFIG,
    SECRET,
    SERVICE,
    TOKEN_RATE_LIMIT_POLICY,
)
from harness.simulator.controllers.runtime.manifest import Key, Manifest, annotations, is_deleting, labels, timestamp

SOON_S, AT_REST_S = 20.0, 300.0


class TenantConfigReconciler:
    """Keeps each tenant's workloads, and each MaasTenantConfig's status."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cluster = view.cluster

    async def reconcile(self, key: Key) -> float | None:
        """Bring one configuration to rest; those outside a tenant's namespace are nobody's business."""
        config = self._cluster.store(MAAS_TENANT_CONFIG).get(key)
        tenant = self._view.tenant_of(key.namespace)
        if config is None or is_deleting(config) or tenant is None:
            return None
        if annotations(config).get(tenants.STATE) == "Unmanaged":
            return None
        settings = self._view.settings
        name = self._view.gateway_of_tenant(tenant)
        gateway = self._cluster.store(GATEWAY).get(name)
        footing = await self._footing(Key(settings.tenants, tenant), name, gateway, config)
        finding = tenants.judge_config(config, name, gateway, footing)
        wanted = tenants.config_status(config, finding, footing, settings, timestamp())
        await self._cluster.write_status(MAAS_TENANT_CONFIG, config, wanted)
        return AT_REST_S if finding.phase == "Active" else SOON_S

    async def _footing(self, tenant: Key, name: Key, gateway: Manifest | None, config: Manifest) -> tenants.Footing:
        dependencies, prerequisites = self._dependencies(), self._prerequisites()
        refused = ""
        alive = self._cluster.store(AI_TENANT).get(tenant)
        managed = annotations(config).get(tenants.STATE, "Managed") == "Managed"
        if gateway is not None and managed and not (dependencies or prerequisites) and alive and not is_deleting(alive):
            try:
                await self._deploy(tenant, name, config)
            except ApiError as error:
                refused = str(error.status.message or error)
        return tenants.Footing(dependencies, prerequisites, refused, self._serves(tenant.name))

    async def _deploy(self, tenant: Key, gateway: Key, config: Manifest) -> None:
        settings = self._view.settings
        if not workload.is_default(tenant.name):
            await self._cluster.declare(DEPLOYMENT, workload.deployment(tenant, gateway, config, settings), MANAGER)
            await self._cluster.declare(SERVICE, workload.service(tenant, settings), MANAGER)
        await self._cluster.declare(CRON_JOB, workload.cleanup(tenant, settings), MANAGER)

    def _dependencies(self) -> str:
        absent = [
            str(kind) for kind in (AUTH_POLICY, TOKEN_RATE_LIMIT_POLICY) if not self._cluster.informer(kind).is_served
        ]
        return f"the API server does not serve {' and '.join(absent)}" if absent else ""

    def _prerequisites(self) -> str:
        place = Key(self._view.settings.infra, workload.DATABASE_SECRET)
        secret = self._cluster.store(SECRET).get(place)
        if secret is None:
            return f"the Secret {place} does not exist"
        if workload.DATABASE_KEY not in (secret.get("data") or {}):
            return f"the Secret {place} has no key {workload.DATABASE_KEY}"
        return ""

    def _serves(self, tenant: str) -> bool:
        """The installer's own instance is known by its endpoints alone, those of tenants by their Deployment too."""
        settings = self._view.settings
        service = workload.api_name(tenant)
        if not workload.is_default(tenant):
            deployed = self._cluster.store(DEPLOYMENT).get(Key(settings.infra, service))
            if not workload.is_available(deployed):
                return False
        return any(
            (entry.get("conditions") or {}).get("ready", True) and entry.get("addresses")
            for found in self._cluster.store(ENDPOINT_SLICE).all(settings.infra)
            if labels(found).get("kubernetes.io/service-name") == service
            for entry in found.get("endpoints") or ()
        )
