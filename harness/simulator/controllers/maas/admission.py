"""What the MaaS controller refuses before it is stored: objects outside tenants, shared gateways, references to nobody."""

from typing import Any

from lightkube import ApiError

from harness.simulator.controllers.maas.tenant import CONFIG, gateway_of
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.kind import AI_TENANT, LEGACY_TENANT, MAAS_TENANT_CONFIG, Kind, resource
from harness.simulator.controllers.runtime.manifest import Key, Manifest, is_deleting, key_of, spec


class Admission:
    """Judges one AdmissionReview at a time. Memory may lag behind a write of a moment ago, so a refusal is checked against the API."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cluster = view.cluster

    async def judge(self, request: dict[str, Any]) -> str:
        """Why the request is refused, one sentence; empty when it is not. Objects on their way out are always let go."""
        manifest: Manifest = request.get("object") or {}
        if not manifest or is_deleting(manifest):
            return ""
        namespace = str(request.get("namespace") or manifest["metadata"].get("namespace") or "")
        kind = request["kind"]["kind"]
        if kind in ("MaaSSubscription", "MaaSAuthPolicy"):
            return await self._placement(namespace)
        if kind == "AITenant":
            return await self._tenant(namespace, manifest)
        if kind == "MaaSModelRef":
            return await self._model(manifest)
        return ""

    async def _placement(self, namespace: str) -> str:
        for kind in (MAAS_TENANT_CONFIG, LEGACY_TENANT):
            if await self._exists(kind, Key(namespace, CONFIG)):
                return ""
        return f"namespace {namespace!r} is not enabled for MaaS tenant resources. Create a MaasTenantConfig CR named {CONFIG} in it first"

    async def _tenant(self, namespace: str, tenant: Manifest) -> str:
        settings = self._view.settings
        if namespace != settings.tenants:
            return f"AITenant objects belong into the configured AITenant infrastructure namespace {settings.tenants!r}, not {namespace!r}"
        wanted = gateway_of(tenant, settings)
        name = tenant["metadata"].get("name") or ""
        async for item in self._cluster.client.list(resource(AI_TENANT), namespace=namespace):
            other: Manifest = dict(item)
            if key_of(other).name != name and gateway_of(other, settings) == wanted:
                return f"gateway {wanted} is already in use by AITenant {key_of(other)}"
        return ""

    async def _model(self, model: Manifest) -> str:
        tenant = spec(model).get("tenantRef")
        if not tenant or await self._exists(AI_TENANT, Key(self._view.settings.tenants, tenant)):
            return ""
        return f"MaaSModelRef references AITenant that does not exist: {tenant!r} in namespace {self._view.settings.tenants!r}"

    async def _exists(self, kind: Kind, key: Key) -> bool:
        if self._cluster.store(kind).get(key) is not None:
            return True
        try:
            return await self._cluster.read(kind, key) is not None
        except ApiError as error:
            if error.status.code == 403:
                return False
            raise
