"""AITenant and MaasTenantConfig: the namespace, labels and role of a tenant, and its orderly end."""

from lightkube import ApiError

from harness.simulator.controllers.maas import tenant as tenants
from harness.simulator.controllers.maas.gatewaypolicy import auth_policy_name, suffixed
from harness.simulator.controllers.maas.keyrevocation import api_address, revoke_keys
from harness.simulator.controllers.maas.names import DEFAULT_TENANT, TENANT_FINALIZER
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.condition import Condition, holds, truth, update
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    ENDPOINT_SLICE,
    GATEWAY,
    HTTP_ROUTE,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    ROLE,
    TOKEN_RATE_LIMIT_POLICY,
)
from harness.simulator.controllers.runtime.manifest import (
    Key,
    Manifest,
    annotations,
    generation,
    is_deleting,
    key_of,
    labels,
    status,
    timestamp,
)

LOOK_AGAIN_S = 2.0


class TenantReconciler:
    """Keeps each AITenant's namespace and status."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cluster = view.cluster

    async def reconcile(self, key: Key) -> float | None:
        """Bring one tenant to rest."""
        tenant = self._cluster.store(AI_TENANT).get(key)
        if tenant is None:
            return None
        settings = self._view.settings
        if is_deleting(tenant):
            return await self._retire(tenant)
        rivals = self._rivals(tenant)
        gateway = self._cluster.store(GATEWAY).get(tenants.gateway_of(tenant, settings))
        finding = tenants.judge_tenant(tenant, settings, rivals, gateway, ready=False)
        if finding.phase != "Failed":
            tenant = await self._cluster.add_finalizer(AI_TENANT, tenant, TENANT_FINALIZER)
            await self._settle(key)
            finding = tenants.judge_tenant(tenant, settings, rivals, gateway, self._config_is_ready(key.name))
        await self._cluster.write_status(
            AI_TENANT, tenant, tenants.tenant_status(tenant, finding, settings, timestamp())
        )
        return None

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

    async def _settle(self, key: Key) -> None:
        """Namespace with its labels, configuration and role; a configuration that people wrote is left as it is."""
        settings = self._view.settings
        name = tenants.namespace_of(key.name, settings)
        namespace: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        wanted = tenants.namespace_labels(key, settings)
        notes = tenants.namespace_annotations(key)
        live = self._cluster.store(NAMESPACE).get(Key("", name))
        if live is None:
            namespace["metadata"] |= {"labels": wanted, "annotations": notes}
            await self._cluster.create(NAMESPACE, namespace)
        elif not (wanted.items() <= labels(live).items() and notes.items() <= annotations(live).items()):
            await self._cluster.patch(NAMESPACE, Key("", name), {"metadata": {"labels": wanted, "annotations": notes}})
        if self._cluster.store(MAAS_TENANT_CONFIG).get(Key(name, tenants.CONFIG)) is None:
            await self._create_config(name)
        await self._cluster.apply(ROLE, tenants.admin_role(name))

    async def _create_config(self, namespace: str) -> None:
        try:
            await self._cluster.create(MAAS_TENANT_CONFIG, tenants.tenant_config(namespace))
        except ApiError as error:
            if error.status.code != 409:  # somebody else was quicker, which is as good
                raise

    async def _retire(self, tenant: Manifest) -> float | None:
        """Keys first, then what was written for the gateway, then the labels; namespace and people's objects stay."""
        key = key_of(tenant)
        trouble = await self._revoke(key.name)
        done = not trouble
        observed = generation(tenant)
        revoked = Condition("APIKeysRevoked", truth(done), "Revoked" if done else "RevocationFailed", trouble, observed)
        ready = Condition("Ready", "False", "DeletionInProgress" if done else "DeletionBlocked", trouble, observed)
        conditions = update(status(tenant).get("conditions"), [revoked, ready], timestamp())
        wanted = status(tenant) | {"phase": "Terminating", "conditions": conditions}
        tenant = await self._cluster.write_status(AI_TENANT, tenant, wanted)
        if trouble:
            return LOOK_AGAIN_S
        await self._dismantle(key.name, tenants.gateway_of(tenant, self._view.settings))
        await self._cluster.remove_finalizer(AI_TENANT, tenant, TENANT_FINALIZER)
        return None

    async def _revoke(self, name: str) -> str:
        settings = self._view.settings
        slices = self._cluster.store(ENDPOINT_SLICE).all(settings.infra)
        address = api_address(slices, suffixed("maas-api", name)) or api_address(slices, "maas-api")
        if address is None:
            return "maas-api has no ready endpoint to revoke the tenant's keys"
        return await revoke_keys(address, name)

    async def _dismantle(self, name: str, gateway: Key) -> None:
        settings = self._view.settings
        if name != DEFAULT_TENANT:
            for kind, key in (
                (AUTH_POLICY, Key(gateway.namespace, auth_policy_name(gateway, name))),
                (TOKEN_RATE_LIMIT_POLICY, Key(gateway.namespace, suffixed("gateway-default-deny", name))),
                (HTTP_ROUTE, Key(settings.infra, suffixed("maas-api-route", name))),
            ):
                found = self._cluster.store(kind).get(key)
                if found is not None:
                    await self._cluster.delete(kind, found)
        namespace = Key("", tenants.namespace_of(name, settings))
        if self._cluster.store(NAMESPACE).get(namespace) is None:
            return
        gone = dict.fromkeys(tenants.namespace_labels(Key(settings.tenants, name), settings))
        notes = dict.fromkeys(tenants.namespace_annotations(Key(settings.tenants, name)))
        await self._cluster.patch(NAMESPACE, namespace, {"metadata": {"labels": gone, "annotations": notes}})


class TenantConfigReconciler:
    """Keeps each MaasTenantConfig's status."""

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
        gateway = self._view.gateway_of_tenant(tenant)
        slices = self._cluster.store(ENDPOINT_SLICE).all(settings.infra)
        serving = bool(api_address(slices, suffixed("maas-api", tenant)) or api_address(slices, "maas-api"))
        finding = tenants.judge_config(config, gateway, self._cluster.store(GATEWAY).get(gateway), serving)
        wanted = tenants.config_status(config, finding, settings, timestamp())
        await self._cluster.write_status(MAAS_TENANT_CONFIG, config, wanted)
        return None


def _seniority(tenant: Manifest) -> tuple[str, str]:
    return str(tenant["metadata"].get("creationTimestamp") or ""), tenant["metadata"]["name"]
