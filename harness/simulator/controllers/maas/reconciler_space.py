"""The platform's own namespaces: that of AITenants comes back when somebody deletes it."""

from lightkube import ApiError

from harness.simulator.controllers.maas.names import MANAGED_BY, MANAGER
from harness.simulator.controllers.maas.reconciler_lifetime import is_torn_down
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.kind import NAMESPACE
from harness.simulator.controllers.runtime.manifest import Key, Manifest, is_deleting, labels

GENERATED = "opendatahub.io/generated-namespace"


class SpaceReconciler:
    """Keeps the namespaces that the controller generates, where the platform is installed (its control namespace exists)."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._cluster = view.cluster

    async def reconcile(self, key: Key) -> float | None:
        """Create what is missing; the key is any namespace of the platform."""
        settings = self._view.settings
        spaces = self._cluster.store(NAMESPACE)
        if spaces.get(Key("", settings.control)) is None or is_torn_down(self._view):
            return None
        for name in (settings.tenants, settings.infra):
            live = spaces.get(Key("", name))
            if live is None:
                await self._create(name)
            elif not is_deleting(live) and labels(live).get(GENERATED) != "true":
                await self._cluster.patch(NAMESPACE, Key("", name), {"metadata": {"labels": {GENERATED: "true"}}})
        return None

    async def _create(self, name: str) -> None:
        labels = {GENERATED: "true", MANAGED_BY: MANAGER, "app.kubernetes.io/part-of": MANAGER}
        namespace: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        try:
            await self._cluster.create(NAMESPACE, namespace)
        except ApiError as error:
            if error.status.code != 409:  # an installer was quicker
                raise
