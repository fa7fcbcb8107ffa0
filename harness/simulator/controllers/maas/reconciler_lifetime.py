"""The platform's own beginning and end: the default tenant is made once, and everything goes when the Deployment says so."""

from lightkube import ApiError

from harness.simulator.controllers.maas.names import DEFAULT_TENANT, MANAGED_BY, MANAGER
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.kind import AI_TENANT, CONFIG, DEPLOYMENT, NAMESPACE
from harness.simulator.controllers.runtime.manifest import Key, Manifest, annotations, is_deleting

CONTROLLER = "maas-controller"
TEARDOWN = "maas.opendatahub.io/teardown-requested"
TORN_DOWN = "maas.opendatahub.io/teardown-completed"
BOOTSTRAPPED = "maas.opendatahub.io/default-aitenant-bootstrapped"
DEFAULT_CONFIG = Key("", "default")
LOOK_AGAIN_S = 1.0


class LifetimeReconciler:
    """Keeps Config/default and the marker on it; its key is the control namespace."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cluster = view.cluster

    async def reconcile(self, key: Key) -> float | None:
        """Begin where nothing has begun, end where the end was asked for."""
        settings = self._view.settings
        if key.name != settings.control or self._cluster.store(NAMESPACE).get(Key("", settings.control)) is None:
            return None
        if is_torn_down(self._view):
            return await self._end()
        config = self._cluster.store(CONFIG).get(DEFAULT_CONFIG) or await self._config()
        if config is None or is_deleting(config) or annotations(config).get(BOOTSTRAPPED) == "true":
            return None
        if self._cluster.store(NAMESPACE).get(Key("", settings.tenants)) is None:
            return LOOK_AGAIN_S
        await self._bootstrap()
        await self._cluster.patch(CONFIG, DEFAULT_CONFIG, {"metadata": {"annotations": {BOOTSTRAPPED: "true"}}})
        return None

    async def _config(self) -> Manifest | None:
        metadata = {"name": DEFAULT_CONFIG.name, "labels": {MANAGED_BY: MANAGER}}
        return await self._made({"apiVersion": CONFIG.api_version, "kind": "Config", "metadata": metadata, "spec": {}})

    async def _bootstrap(self) -> None:
        """The default tenant, unless the installer or a person made it already."""
        settings = self._view.settings
        metadata = {"name": DEFAULT_TENANT, "namespace": settings.tenants, "labels": {MANAGED_BY: MANAGER}}
        gateway = {"name": settings.gateway.name}
        await self._made(
            {
                "apiVersion": AI_TENANT.api_version,
                "kind": "AITenant",
                "metadata": metadata,
                "spec": {"gateway": gateway},
            }
        )

    async def _made(self, manifest: Manifest) -> Manifest | None:
        kind = CONFIG if manifest["kind"] == "Config" else AI_TENANT
        try:
            return await self._cluster.create(kind, manifest)
        except ApiError as error:
            if error.status.code != 409:
                raise
            return None

    async def _end(self) -> float | None:
        """Tenants first, with their keys; namespaces stay."""
        settings = self._view.settings
        living = self._cluster.store(AI_TENANT).all(settings.tenants)
        for tenant in living:
            if not is_deleting(tenant):
                await self._cluster.delete(AI_TENANT, tenant)
        if living:
            return LOOK_AGAIN_S
        config = self._cluster.store(CONFIG).get(DEFAULT_CONFIG)
        if config is not None:
            await self._cluster.delete(CONFIG, config)
        place = Key(settings.control, CONTROLLER)
        deployed = self._cluster.store(DEPLOYMENT).get(place)
        if deployed is not None and annotations(deployed).get(TORN_DOWN) != "true":
            await self._cluster.patch(DEPLOYMENT, place, {"metadata": {"annotations": {TORN_DOWN: "true"}}})
        return None


def is_torn_down(view: View) -> bool:
    """Whether the end of the platform was asked for."""
    deployed = view.cluster.store(DEPLOYMENT).get(Key(view.settings.control, CONTROLLER))
    return deployed is not None and annotations(deployed).get(TEARDOWN) == "true"
