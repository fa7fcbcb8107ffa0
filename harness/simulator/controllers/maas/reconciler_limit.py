"""TokenRateLimitPolicy: one for each model, rebuilt in place whenever a subscription, the route or a stranger changes it."""

import asyncio

from harness.simulator.controllers.maas.backend import resolve
from harness.simulator.controllers.maas.tokenlimit import Ledger, limit_policy
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.kind import TOKEN_RATE_LIMIT_POLICY
from harness.simulator.controllers.runtime.manifest import Key, Manifest, resource_version

CLOSED = ("spec.limits",)
BETWEEN_WRITES_S = 0.03
"""A policy is written at once and then not again for so long: where many subscriptions come together, each write carries several."""


class LimitReconciler:
    """Keeps each model's TokenRateLimitPolicy; its key is the model's."""

    def __init__(self, view: View, ledger: Ledger) -> None:
        self._view = view
        self._cluster = view.cluster
        self._ledger = ledger
        self._rests_until: dict[Key, float] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Bring one model's policy to rest."""
        now = asyncio.get_running_loop().time()
        if self._rests_until.get(key, now) > now:
            return self._rests_until[key] - now
        self._rests_until.pop(key, None)
        wanted = self._wanted(key)
        present = self._cluster.store(TOKEN_RATE_LIMIT_POLICY).by("model", key)
        if wanted is not None:
            written = await self._cluster.apply(TOKEN_RATE_LIMIT_POLICY, wanted, closed=CLOSED)
            self._ledger.note(written)
            if resource_version(written) not in map(resource_version, present):
                self._rests_until[key] = asyncio.get_running_loop().time() + BETWEEN_WRITES_S
        for policy in present:
            if wanted is None or not _is_same(policy, wanted):
                await self._cluster.delete(TOKEN_RATE_LIMIT_POLICY, policy)
                self._ledger.forget(policy)
        return None

    def _wanted(self, key: Key) -> Manifest | None:
        model = self._view.model(key)
        if model is None:
            return None
        backend = resolve(self._view, model)
        if backend.route is None or not backend.attached or self._view.elder_on_route(model, backend.route):
            return None
        subscriptions = [
            one
            for one in self._view.subscriptions_of(key)
            if self._view.gateway_of_tenant(self._view.tenant_of(one["metadata"]["namespace"]) or "") == backend.gateway
        ]
        return limit_policy(key, backend.route, subscriptions, self._view.settings.quirks)


def _is_same(policy: Manifest, wanted: Manifest) -> bool:
    metadata = policy["metadata"]
    return bool(
        metadata["name"] == wanted["metadata"]["name"] and metadata["namespace"] == wanted["metadata"]["namespace"]
    )
