"""MaaSSubscription: status, and a finalizer that holds it until no policy carries its limits any more."""

import asyncio

from harness.simulator.controllers.maas.backend import resolve
from harness.simulator.controllers.maas.names import SUBSCRIPTION_FINALIZER
from harness.simulator.controllers.maas.subscriptionstatus import Listed, is_coming_into_force, subscription_status
from harness.simulator.controllers.maas.tokenlimit import Ledger, limit_of
from harness.simulator.controllers.maas.view import View, referenced_models
from harness.simulator.controllers.runtime.controller import Controller
from harness.simulator.controllers.runtime.difference import is_left_alone
from harness.simulator.controllers.runtime.kind import MAAS_SUBSCRIPTION
from harness.simulator.controllers.runtime.manifest import Key, Manifest, is_deleting, key_of, status, timestamp

LOOK_AGAIN_S = 1.0
UNTOLD_WAIT_S = 0.5
"""How long a new subscription says nothing while it comes into force: usually its first word is that it is Active."""


class SubscriptionReconciler:
    """Keeps each MaaSSubscription's status; the limits themselves are the limit reconciler's."""

    def __init__(self, view: View, ledger: Ledger, limits: Controller) -> None:
        self._view = view
        self._cluster = view.cluster
        self._ledger = ledger
        self._limits = limits
        self._untold: dict[Key, float] = {}

    async def reconcile(self, key: Key) -> float | None:
        """Bring one subscription to rest; those outside a tenant's namespace are nobody's business."""
        subscription = self._cluster.store(MAAS_SUBSCRIPTION).get(key)
        if subscription is None or is_deleting(subscription):
            self._untold.pop(key, None)
        if subscription is None:
            return None
        if is_deleting(subscription):
            return await self._release(subscription)
        tenant = self._view.tenant_of(key.namespace)
        if tenant is None:
            return None
        subscription = await self._cluster.add_finalizer(MAAS_SUBSCRIPTION, subscription, SUBSCRIPTION_FINALIZER)
        gateway = self._view.gateway_of_tenant(tenant)
        listed = [self._listed(model, gateway) for model in referenced_models(subscription)]
        quirks = self._view.settings.quirks
        if not status(subscription) and is_coming_into_force(subscription, listed, self._ledger, quirks):
            now = asyncio.get_running_loop().time()
            left = self._untold.setdefault(key, now + UNTOLD_WAIT_S) - now
            if left > 0:
                return left
        self._untold.pop(key, None)
        peers = self._view.peers_of(subscription)
        wanted = subscription_status(subscription, listed, peers, self._ledger, timestamp(), quirks)
        await self._cluster.write_status(MAAS_SUBSCRIPTION, subscription, wanted)
        return None

    async def _release(self, subscription: Manifest) -> float | None:
        key = key_of(subscription)
        carriers = [model for model in referenced_models(subscription) if self._carries(model, key)]
        if not carriers:
            await self._cluster.remove_finalizer(MAAS_SUBSCRIPTION, subscription, SUBSCRIPTION_FINALIZER)
            return None
        for model in carriers:
            self._limits.queue.add(model)
        return LOOK_AGAIN_S

    def _carries(self, model: Key, subscription: Key) -> bool:
        policy = self._view.limit_policy(model)
        if policy is None or is_left_alone(policy) or is_deleting(policy):
            return False
        return limit_of(policy, subscription, model) is not None

    def _listed(self, key: Key, gateway: Key) -> Listed:
        model = self._view.model(key)
        if model is None:
            return Listed(key, exists=False, gateway=gateway)
        backend = resolve(self._view, model)
        elder = self._view.elder_on_route(model, backend.route) if backend.route is not None else None
        return Listed(key, True, gateway, backend, self._view.limit_policy(key), elder)
