"""Tenants that the checks of a whole run share: for checks that need a tenant, and leave it as it is.

A tenant is the dearest thing that a check can make: a gateway, a management API of its own, a model behind them. So there are a few that
every worker finds by their names, which follow from the run; whoever needs one first makes it. What a check makes within is the check's
own, and goes with it; the tenants themselves go with the run, by its labels, because no worker knows when another is done with them.
"""

import hashlib
import zlib
from collections.abc import Sequence

from harness.engine.failure import NotReady
from harness.kube.apply import apply_manifests
from harness.kube.fault import WaitExpired
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Expectation, wait_for_all
from harness.world.caller import Wire
from harness.world.estate import WORLD_PREFIX
from harness.world.force import model_in_force, policy_in_force, subscription_in_force
from harness.world.governance import MAAS, People, Policy, Rate, Subscription
from harness.world.grants import AMPLE
from harness.world.identity import Identity
from harness.world.tenant import Tenant, open_tenants
from harness.world.twin import handle_of
from harness.world.world import World


class CommonTenant(Tenant):
    """The run's tenant of that number, as one check sees it: identities and names of objects are those of the check's world."""

    def __init__(self, parent: World, number: int) -> None:
        digest = hashlib.sha256(f"{parent.estate.run_id}/{number}".encode()).hexdigest()
        super().__init__(parent, name=f"{WORLD_PREFIX}{digest[:8]}")
        self._own = [handle_of(self.original.namespace, f"{self.name}-model")]
        self._has_servers = True

    def furniture(self) -> tuple[list[Manifest], list[Expectation]]:
        """A model that is governed, whether or not a check gives anybody access to it; and what all of it says once it can be used."""
        twin = self.assigned(self._copy(self.model().name))
        subscription, policy = self.keepers()
        limited = subscription_in_force(subscription, with_limits=self.estate.has_limit_policies)
        ready = model_in_force(twin.handle, twin.backend, registered=True, governed=True)
        manifests = [*twin.manifests, subscription.manifest(), policy.manifest()]
        return manifests, [*limited, *policy_in_force(policy), *ready]

    def enter(self) -> None:
        """Turn to the tenant's own gateway, which is known to be reachable."""
        platform = self.estate.tenants[self.name]
        self.wire = Wire(platform, self.wire.client, self.wire.recorder, self.wire.book)

    def remove(self) -> None:
        """Delete what the check made; the tenant stays for others."""
        World.remove(self)

    def identity(self, group: str | None = None) -> Identity:
        """A new ServiceAccount of the check's world."""
        return self._parent.identity(group)

    def group(self, name: str) -> str:
        """A group name that no other check uses."""
        return self._parent.group(name)

    def space(self, purpose: str) -> str:
        """A namespace of the check's world."""
        return self._parent.space(purpose)

    def own_name(self, kind: str) -> str:
        """A name that no other check uses, whichever tenant the object is of."""
        return self._parent.own_name(kind)

    def keepers(self) -> tuple[Subscription, Policy]:
        """Quota and access of nobody: without either, the model would be closed whenever no check uses it."""
        name, models = f"{self.name}-keepers", (self.model(),)
        who, priority = People(groups=(f"{self.name}:keepers",)), -1 - zlib.crc32(name.encode()) // 4
        subscription = Ref(MAAS, "MaaSSubscription", name, self.namespace)
        policy = Ref(MAAS, "MaaSAuthPolicy", name, self.namespace)
        return Subscription(subscription, who, models, (Rate(AMPLE, "1h"),), priority), Policy(policy, who, models)


def open_common(tenants: Sequence[CommonTenant]) -> None:
    """Have each be usable: made and furnished where this worker sees it for the first time, whoever made it. Raises NotReady."""
    estate = tenants[0].estate
    new = [tenant for tenant in tenants if tenant.name not in estate.tenants]
    if new:
        open_tenants(new)
        furniture = [tenant.furniture() for tenant in new]
        apply_manifests(estate.cluster, [one for manifests, _ in furniture for one in manifests], estate.labels)
        try:
            wait_for_all(estate.cluster, [one for _, wanted in furniture for one in wanted], estate.ready_bound)
        except WaitExpired as expired:
            raise NotReady(str(expired)) from expired
        estate.tenants |= {tenant.name: tenant.wire.platform for tenant in new}
    for tenant in tenants:
        tenant.enter()
