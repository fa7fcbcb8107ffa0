"""Who may do what in one check: identities, subscriptions and policies, declared, edited, and awaited until they are in force."""

import secrets
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.kube.manifest import Ref
from harness.platforms.platform import ModelHandle
from harness.world.caller import Wire
from harness.world.estate import Estate
from harness.world.force import limit_enforced, limit_stated, policy_in_force, subscription_in_force
from harness.world.governance import MAAS, People, Policy, Rate, Subscription, Who
from harness.world.identity import Identity, Person, service_account
from harness.world.models import Models
from harness.world.oidc import OidcUser

Chosen = ModelHandle | Sequence[ModelHandle] | None
"""Models that a subscription or policy names: None is the platform's first."""
AMPLE = 1_000_000
"""A limit that no check without an interest in quotas comes near."""


class Grants(Models):
    """Makes identities, and gives them quota and access."""

    def __init__(self, estate: Estate, wire: Wire) -> None:
        super().__init__(estate, wire)
        self._subscriptions: list[Subscription] = []
        self._policies: list[Policy] = []

    def identity(self, group: str | None = None) -> Identity:
        """A new ServiceAccount. Identities of the same `group` share the group of a namespace made for this check."""
        who = service_account(f"{self.name}-{group}" if group else self.estate.namespace, self.own_name("user"))
        home, account = who.manifests()
        (self.declare if group else self.declare_common)(home)
        self.declare(account)
        return who

    def member(self, limit: int = AMPLE) -> Identity:
        """A new ServiceAccount that `common` of that limit includes, and no other."""
        who = service_account(self.estate.members(limit), self.own_name("user"))
        home, account = who.manifests()
        self.declare_common(home)
        self.declare(account)
        return who

    def common(self, limit: int = AMPLE) -> Subscription:
        """A subscription to the platform's first model, with access to it, that checks of this worker share: it is made once for a limit.

        For checks that need somebody who is entitled, or has an hour's budget to spend, and leave the entitlement as it is. They do not
        meet in it: each makes its own members, and quota is counted by user.
        """
        name, namespace = self.estate.members(limit), self.wire.platform.namespaces.subscriptions
        who, models = People.of(service_account(name, "any").group), (self.model(),)
        rates, priority = (Rate(limit, "1h"),), -1 - zlib.crc32(name.encode()) // 4
        made = Subscription(Ref(MAAS, "MaaSSubscription", name, namespace), who, models, rates, priority)
        entry = Policy(Ref(MAAS, "MaaSAuthPolicy", name, namespace), who, models)
        self._subscriptions += [made] if made.ref not in self.estate.listed else []
        self._policies.append(entry)
        limited = subscription_in_force(made, with_limits=self.estate.has_limit_policies)
        self.declare_common(made.manifest(), until=limited)
        self.declare_common(entry.manifest(), until=policy_in_force(entry))
        return made

    def oidc_user(self, *groups: str, username: str | None = None) -> OidcUser:
        """A new user of the platform's issuer, in these groups; a name of its own unless the check gives one."""
        return OidcUser(username or self.own_name("user"), groups)

    def group(self, name: str) -> str:
        """A group name that no other check uses."""
        return f"{self.name}:{name}"

    def subscription(
        self,
        owner: Who,
        *,
        models: Chosen = None,
        limit: int = AMPLE,
        window: str = "1h",
        rates: Sequence[Rate] = (),
        priority: int | None = None,
        token_metadata: Mapping[str, str] | None = None,
        awaited: bool = True,
    ) -> Subscription:
        """Quota for the owner on these models (by default the first); `rates` takes the place of limit and window.

        The usual priority is the lowest, and one that nobody else has: a platform tells every subscription of its equals, so that checks
        which run together would keep it busy with each other.
        """
        made = Subscription(
            Ref(MAAS, "MaaSSubscription", self.own_name("sub"), self.wire.platform.namespaces.subscriptions),
            People.of(owner),
            self._models(models),
            tuple(rates) or (Rate(limit, window),),
            -1 - secrets.randbelow(1 << 30) if priority is None else priority,
            token_metadata or {},
        )
        in_force = subscription_in_force(made, with_limits=self.estate.has_limit_policies) if awaited else ()
        self._subscriptions += [made] if awaited else []
        self.declare(made.manifest(), until=in_force)
        return made

    def degraded(self, owner: Who) -> Subscription:
        """A subscription in phase Degraded: its first model is in force, its second does not exist."""
        made = self.subscription(owner, models=(self.model(), self.ghost()), awaited=False)
        self.settle()
        self.await_phase(made.ref, "Degraded")
        return made

    def policy(self, subjects: Who, *, models: Chosen = None, awaited: bool = True) -> Policy:
        """Access for the subjects to these models (by default the first)."""
        made = Policy(
            Ref(MAAS, "MaaSAuthPolicy", self.own_name("policy"), self.wire.platform.namespaces.subscriptions),
            People.of(subjects),
            self._models(models),
        )
        self._policies += [made] if awaited else []
        self.declare(made.manifest(), until=policy_in_force(made) if awaited else ())
        return made

    def await_in_force(self, subscription: Subscription, policy: Policy) -> None:
        """Wait until both are in force, for checks that declared them before they could be."""
        self._subscriptions.append(subscription)
        self._policies.append(policy)
        limited = subscription_in_force(subscription, with_limits=self.estate.has_limit_policies)
        self.declare(until=(*limited, *policy_in_force(policy)))
        self.settle()

    def await_limit(self, subscription: Subscription, model: ModelHandle) -> None:
        """Wait until this subscription's limit for one model is enforced, whatever becomes of its other models."""
        if self.estate.has_limit_policies:
            self.declare(until=(limit_enforced(subscription, model), limit_stated(subscription, model)))
        self.settle()

    def change_models(self, subscription: Subscription, *models: ModelHandle) -> Subscription:
        """Edit which models a subscription has, and wait until that is in force; the edited value."""
        edited = replace(subscription, models=models)
        self.edit(edited.manifest(), subscription_in_force(edited, with_limits=self.estate.has_limit_policies))
        return edited

    def change_rates(self, subscription: Subscription, *rates: Rate) -> Subscription:
        """Edit a subscription's limits and wait until the new ones are enforced; the edited value."""
        edited = replace(subscription, rates=rates)
        self.edit(edited.manifest(), subscription_in_force(edited, with_limits=self.estate.has_limit_policies))
        return edited

    def _granted(self, identity: Person) -> frozenset[str]:
        """Ids of models that were granted, and of which nobody knows yet that the platform lists them."""
        paid = {one.model_id for made in self._subscriptions if made.owner.include(identity) for one in made.models}
        allowed = {one.model_id for made in self._policies if made.subjects.include(identity) for one in made.models}
        return frozenset(paid & allowed)

    def _models(self, models: Chosen) -> tuple[ModelHandle, ...]:
        if models is None:
            return (self.model(),)
        return (models,) if isinstance(models, ModelHandle) else tuple(models)
