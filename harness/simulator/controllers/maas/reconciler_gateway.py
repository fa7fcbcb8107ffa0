"""The policies and the maas-api route of each MaaS gateway; what a person deletes or edits comes back at once."""

from harness.simulator.controllers.maas.gatewaypolicy import api_route, auth_policy, default_deny
from harness.simulator.controllers.maas.telemetry import telemetry_name, telemetry_policy
from harness.simulator.controllers.maas.tenant import CONFIG, namespace_of
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    GATEWAY,
    HTTP_ROUTE,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    TELEMETRY_POLICY,
    TOKEN_RATE_LIMIT_POLICY,
)
from harness.simulator.controllers.runtime.manifest import Key, is_deleting, spec

WHO_IS_LET_IN = ("spec.defaults.rules.authentication", "spec.defaults.rules.authorization")
"""Where a stranger's entry would open a door, and one that is no longer wanted has to go."""


class GatewayReconciler:
    """Guards each gateway that serves a tenant; its key is the Gateway's."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cluster = view.cluster

    async def reconcile(self, key: Key) -> float | None:
        """Bring one gateway's policies to rest; gateways of no tenant, the standard one among them, are left alone."""
        gateway = self._cluster.store(GATEWAY).get(key)
        if gateway is None or is_deleting(gateway):
            return None
        settings = self._view.settings
        for tenant, served in self._view.tenants().items():
            if served != key:
                continue
            issuer = spec(self._cluster.store(AI_TENANT).get(Key(settings.tenants, tenant)) or {}).get("oidc")
            await self._cluster.apply(AUTH_POLICY, auth_policy(key, tenant, settings, issuer), closed=WHO_IS_LET_IN)
            deny = default_deny(key, tenant)
            await self._cluster.apply(TOKEN_RATE_LIMIT_POLICY, deny, closed=("spec.limits",))
            await self._label(key, tenant)
            if self._cluster.store(NAMESPACE).get(Key("", settings.infra)) is not None:
                await self._cluster.apply(HTTP_ROUTE, api_route(key, tenant, settings))
        return None

    async def _label(self, gateway: Key, tenant: str) -> None:
        """Which labels the gateway's metrics carry."""
        config = self._cluster.store(MAAS_TENANT_CONFIG).get(Key(namespace_of(tenant, self._view.settings), CONFIG))
        wanted = telemetry_policy(gateway, tenant, spec(config or {}).get("telemetry") or {})
        if wanted is not None:
            await self._cluster.apply(TELEMETRY_POLICY, wanted, closed=("spec.metrics.default.labels",))
            return
        present = self._cluster.store(TELEMETRY_POLICY).get(Key(gateway.namespace, telemetry_name(tenant)))
        if present is not None:
            await self._cluster.delete(TELEMETRY_POLICY, present)
