"""MaaSAuthPolicy: status. Access itself is decided by maas-api from the object; nothing of it goes into the gateway's policy."""

from harness.simulator.controllers.maas.accessstatus import CONFLICT, access_status
from harness.simulator.controllers.maas.backend import resolve
from harness.simulator.controllers.maas.gatewaypolicy import auth_policy_name
from harness.simulator.controllers.maas.names import ACCESS_FINALIZER, MANAGED_BY, MANAGER
from harness.simulator.controllers.maas.view import View, referenced_models
from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.event import Recorder
from harness.simulator.controllers.runtime.kind import AUTH_POLICY, MAAS_AUTH_POLICY
from harness.simulator.controllers.runtime.manifest import Key, Manifest, is_deleting, labels, status, timestamp


class AccessReconciler:
    """Keeps each MaaSAuthPolicy's status."""

    def __init__(self, view: View, recorder: Recorder) -> None:
        self._view = view
        self._cluster = view.cluster
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Bring one access policy to rest; those outside a tenant's namespace are nobody's business."""
        access = self._cluster.store(MAAS_AUTH_POLICY).get(key)
        if access is None:
            return None
        if is_deleting(access):
            await self._cluster.remove_finalizer(MAAS_AUTH_POLICY, access, ACCESS_FINALIZER)
            return None
        tenant = self._view.tenant_of(key.namespace)
        if tenant is None:
            return None
        access = await self._cluster.add_finalizer(MAAS_AUTH_POLICY, access, ACCESS_FINALIZER)
        gateway = self._view.gateway_of_tenant(tenant)
        policies = self._cluster.store(AUTH_POLICY)
        models = {model: self._view.model(model) is not None for model in referenced_models(access)}
        wanted = access_status(
            access,
            models,
            policies.get(Key(gateway.namespace, auth_policy_name(gateway, tenant))),
            self._foreign(list(models)),
            timestamp(),
        )
        self._announce(access, find(wanted["conditions"], CONFLICT) or {})
        await self._cluster.write_status(MAAS_AUTH_POLICY, access, wanted)
        return None

    def _foreign(self, models: list[Key]) -> list[Manifest]:
        found: dict[str, Manifest] = {}
        for key in models:
            model = self._view.model(key)
            route = resolve(self._view, model).route_key if model is not None else None
            for policy in self._cluster.store(AUTH_POLICY).by("target", ("HTTPRoute", route)) if route else ():
                if labels(policy).get(MANAGED_BY) != MANAGER and not is_deleting(policy):
                    found[policy["metadata"]["uid"]] = policy
        return list(found.values())

    def _announce(self, access: Manifest, after: Manifest) -> None:
        before = find(status(access).get("conditions"), CONFLICT) or {}
        if after.get("status") == "True" and before.get("status") != "True":
            self._recorder.record(access, "Warning", "ConflictingAuthPolicy", str(after.get("message")))
        if after.get("status") == "False" and before.get("status") == "True":
            self._recorder.record(access, "Normal", "ConflictingAuthPolicyResolved", str(after.get("message")))
