"""MaaSModelRef: status from backend and governance, events on identity conflicts, clean-up of generated policies."""

from harness.simulator.controllers.maas.backend import resolve
from harness.simulator.controllers.maas.modelstatus import UNIQUE, governance, identity, model_status
from harness.simulator.controllers.maas.names import MODEL_FINALIZER
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.condition import Condition, find
from harness.simulator.controllers.runtime.event import Recorder
from harness.simulator.controllers.runtime.kind import MAAS_MODEL_REF, TOKEN_RATE_LIMIT_POLICY
from harness.simulator.controllers.runtime.manifest import Key, Manifest, is_deleting, key_of, spec, status, timestamp


class ModelReconciler:
    """Keeps each MaaSModelRef's status."""

    def __init__(self, view: View, recorder: Recorder) -> None:
        self._view = view
        self._cluster = view.cluster
        self._recorder = recorder

    async def reconcile(self, key: Key) -> float | None:
        """Bring one model to rest."""
        model = self._cluster.store(MAAS_MODEL_REF).get(key)
        if model is None:
            return None
        if is_deleting(model):
            await self._clean_up(key, model)
            return None
        if not spec(model):
            await self._cluster.write_status(MAAS_MODEL_REF, model, status(model) | {"phase": "Invalid"})
            return None
        model = await self._cluster.add_finalizer(MAAS_MODEL_REF, model, MODEL_FINALIZER)
        backend = resolve(self._view, model)
        alias = backend.alias or status(model).get("resolvedModelAlias") or ""
        unique = identity(model, alias, self._namesakes(key, alias))
        subscribed = bool(self._view.subscriptions_of(key))
        paired = governance(model, subscribed, bool(self._view.policies_of(key)))
        wanted = model_status(model, backend, paired, unique, timestamp())
        self._announce(model, unique)
        await self._cluster.write_status(MAAS_MODEL_REF, model, wanted)
        return None

    def _namesakes(self, key: Key, alias: str) -> list[Manifest]:
        if not alias:
            return []
        same = self._cluster.store(MAAS_MODEL_REF).by("alias", (key.namespace, alias))
        return [other for other in same if key_of(other) != key and not is_deleting(other)]

    def _announce(self, model: Manifest, unique: Condition) -> None:
        before = find(status(model).get("conditions"), UNIQUE)
        was_in_conflict = before is not None and before.get("status") == "False"
        if unique.status == "False" and not was_in_conflict:
            self._recorder.record(model, "Warning", "ModelNameConflict", unique.message)
        if unique.status == "True" and was_in_conflict:
            self._recorder.record(model, "Normal", "ModelNameConflictResolved", unique.message)

    async def _clean_up(self, key: Key, model: Manifest) -> None:
        for policy in self._cluster.store(TOKEN_RATE_LIMIT_POLICY).by("model", key):
            await self._cluster.delete(TOKEN_RATE_LIMIT_POLICY, policy)
        await self._cluster.remove_finalizer(MAAS_MODEL_REF, model, MODEL_FINALIZER)
