"""AITenant: its namespace, configuration and role, and where it stands."""

from lightkube import ApiError

from harness.simulator.controllers.maas import tenant as tenants
from harness.simulator.controllers.maas.names import TENANT_FINALIZER
from harness.simulator.controllers.maas.retirement import Retirement
from harness.simulator.controllers.maas.tenant import Finding
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.condition import holds
from harness.simulator.controllers.runtime.kind import AI_TENANT, GATEWAY, MAAS_TENANT_CONFIG, NAMESPACE, ROLE
from harness.simulator.controllers.runtime.manifest import (
    Key,
    Manifest,
    annotations,
    is_deleting,
    key_of,
    labels,
    status,
    timestamp,
)

LOOK_AGAIN_S = 2.0


class TenantReconciler:
    """Keeps each AITenant's namespace and status."""

    def __init__(self, view: View, retirement: Retirement) -> None:
        self._view = view
        self._cluster = view.cluster
        self._retirement = retirement

    async def reconcile(self, key: Key) -> float | None:
        """Bring one tenant to rest."""
        tenant = self._cluster.store(AI_TENANT).get(key)
        if tenant is None:
            return None
        if is_deleting(tenant):
            return await self._retirement.advance(tenant)
        settings = self._view.settings
        if key.namespace == settings.tenants:
            tenant = await self._cluster.add_finalizer(AI_TENANT, tenant, TENANT_FINALIZER)
        rivals = self._rivals(tenant)
        gateway = self._cluster.store(GATEWAY).get(tenants.gateway_of(tenant, settings))
        finding = tenants.judge_tenant(tenant, settings, rivals, gateway, ready=False)
        trouble: Finding | None = None
        if finding.phase != "Failed":
            trouble = await self._settle(key)
            finding = trouble or tenants.judge_tenant(
                tenant, settings, rivals, gateway, self._config_is_ready(key.name)
            )
        await self._cluster.write_status(
            AI_TENANT, tenant, tenants.tenant_status(tenant, finding, settings, timestamp())
        )
        return LOOK_AGAIN_S if trouble is not None else None

    def _rivals(self, tenant: Manifest) -> list[Manifest]:
        settings = self._view.settings
        wanted = tenants.gateway_of(tenant, settings)
        return [
            other
            for other in self._cluster.store(AI_TENANT).all(settings.tenants)
            if key_of(other) != key_of(tenant)
            and tenants.gateway_of(other, settings) == wanted
            and _seniority(other) < _seniority(tenant)
        ]

    def _config_is_ready(self, name: str) -> bool:
        namespace = tenants.namespace_of(name, self._view.settings)
        config = self._cluster.store(MAAS_TENANT_CONFIG).get(Key(namespace, tenants.CONFIG))
        return config is not None and holds(status(config).get("conditions"), "Ready")

    async def _settle(self, key: Key) -> Finding | None:
        """Namespace with its labels, configuration and role; what stands in the way, None when nothing does."""
        steps = (
            ("TenantNamespaceFailed", self._namespace),
            ("TenantConfigReconcileFailed", self._config),
            ("RBACReconcileFailed", self._role),
        )
        for reason, step in steps:
            try:
                trouble = await step(key)
            except ApiError as error:
                if error.status.code == 409:  # somebody was quicker: look at what there is now
                    raise
                return Finding("Failed", reason, str(error.status.message or error))
            if trouble is not None:
                return trouble
        return None

    async def _namespace(self, key: Key) -> Finding | None:
        settings = self._view.settings
        name = tenants.namespace_of(key.name, settings)
        wanted = tenants.namespace_labels(key, settings)
        notes = tenants.namespace_annotations(key)
        live = self._cluster.store(NAMESPACE).get(Key("", name))
        if live is None:
            namespace: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            namespace["metadata"] |= {"labels": wanted, "annotations": notes}
            await self._cluster.create(NAMESPACE, namespace)
        elif is_deleting(live):
            return Finding("Pending", "TenantNamespacePending", f"namespace {name} is being deleted")
        elif other := tenants.claimed_by_other(live, key):
            return Finding("Failed", "TenantNamespaceFailed", f"namespace {name} is managed for AITenant {other}")
        elif not (wanted.items() <= labels(live).items() and notes.items() <= annotations(live).items()):
            await self._cluster.patch(NAMESPACE, Key("", name), {"metadata": {"labels": wanted, "annotations": notes}})
        return None

    async def _config(self, key: Key) -> None:
        """A configuration that people wrote is left as it is."""
        name = tenants.namespace_of(key.name, self._view.settings)
        if self._cluster.store(MAAS_TENANT_CONFIG).get(Key(name, tenants.CONFIG)) is not None:
            return
        try:
            await self._cluster.create(MAAS_TENANT_CONFIG, tenants.tenant_config(name, key))
        except ApiError as error:
            if error.status.code != 409:  # somebody else was quicker, which is as good
                raise

    async def _role(self, key: Key) -> None:
        name = tenants.namespace_of(key.name, self._view.settings)
        await self._cluster.apply(ROLE, tenants.admin_role(name, key))


def _seniority(tenant: Manifest) -> tuple[str, str]:
    return str(tenant["metadata"].get("creationTimestamp") or ""), tenant["metadata"]["name"]
