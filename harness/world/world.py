"""A check's own world: identities, subscriptions, policies, models and keys, made through the API and removed at its end.

A check declares what it needs; everything is created in one batch and awaited together when the first credential is used
(or `settle` is called), so that a set-up costs one propagation and not one for each object. Nothing is shared between
checks but the platform's own models.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from harness.client.exchange import Exchange
from harness.client.measuring import Call
from harness.client.secret import Secret
from harness.engine.failure import NotReady
from harness.kube.access import service_account_token
from harness.kube.manifest import Ref
from harness.kube.wait import Bound
from harness.platforms.platform import ModelHandle
from harness.world.apikey import ApiKey
from harness.world.caller import Caller, Credential, Given, Wire
from harness.world.entitlement import Entitlements, entitlements_of
from harness.world.estate import WORLD_PREFIX, Estate
from harness.world.expectations import listed_ids
from harness.world.force import limit_enforced, model_in_force, policy_in_force, subscription_in_force
from harness.world.governance import MAAS, People, Policy, Rate, Subscription, Who
from harness.world.identity import Identity, service_account
from harness.world.objects import Objects
from harness.world.patience import until
from harness.world.twin import Twin, gateway_refs, twin_of

Models = ModelHandle | Sequence[ModelHandle] | None
CACHES = Bound("what is in force is known to the management API", 5)
AMPLE = 1_000_000
"""A limit that no check without an interest in quotas comes near."""


@dataclass(slots=True)
class Token:
    """A ServiceAccount's token as a credential, requested when it is first used."""

    world: "World"
    identity: Identity
    audiences: tuple[str, ...] | None = None
    _text: Secret | None = None

    def secret(self) -> Secret:
        """The token. Its first use waits until the management API knows what its identity was granted."""
        if self._text is None:
            self._text = self.world.token(self.identity, audiences=self.audiences)
            if self.audiences is None:
                self.world.await_listed(self.identity, self._text)
        return self._text


class World(Objects):
    """The objects of one check; `name` makes their names unique on the platform."""

    def __init__(self, estate: Estate, wire: Wire) -> None:
        super().__init__(estate, f"{WORLD_PREFIX}{secrets.token_hex(4)}")
        self.wire = wire
        self._count = 0
        self._subscriptions: list[Subscription] = []
        self._policies: list[Policy] = []

    # --- models -----------------------------------------------------------------------------------------------------------

    def model(self, number: int = 0) -> ModelHandle:
        """One of the models that the platform serves from the start, those first that are not open to everybody.

        Raises NotReady when it has fewer.
        """
        models = self.estate.models
        if number >= len(models):
            raise NotReady(f"the check needs {number + 1} governed models; the platform offers {len(models)}")
        return models[number]

    def new_model(
        self,
        *,
        gateway: Literal["maas", "unnamed"] | Sequence[Mapping[str, str]] = "maas",
        registered: bool = True,
        governed: bool = True,
        annotations: Mapping[str, str] | None = None,
    ) -> Twin:
        """A model of the check's own, a twin of the platform's first one.

        `gateway` maas opts in, unnamed leaves the reference out, a list of references is taken as it is. `governed` says
        that the check gives it a subscription and a policy, without which a registered model never becomes Ready.
        """
        named = gateway_refs(self.wire.platform.namespaces.gateway) if gateway == "maas" else gateway
        refs = None if isinstance(named, str) else named
        twin = twin_of(
            self.estate.cluster,
            self.model(),
            self._next("m"),
            refs=refs,
            registered=registered,
            annotations=annotations,
        )
        self.declare(
            *twin.manifests,
            until=model_in_force(twin.handle, twin.backend, registered=registered, governed=governed),
        )
        return twin

    def late_model(self, name: str) -> Twin:
        """A model of the check's own under a name that other objects speak of already."""
        refs = gateway_refs(self.wire.platform.namespaces.gateway)
        twin = twin_of(self.estate.cluster, self.model(), name, refs=refs, registered=True)
        self.declare(*twin.manifests, until=model_in_force(twin.handle, twin.backend, registered=True, governed=True))
        return twin

    # --- people -----------------------------------------------------------------------------------------------------------

    def identity(self, group: str | None = None) -> Identity:
        """A new ServiceAccount. Identities of the same `group` share the group of a namespace made for this check."""
        namespace = f"{self.name}-{group}" if group else self.estate.namespace
        who = service_account(namespace, self._next("user"))
        self.declare(*(manifest for manifest in who.manifests() if Ref.of(manifest) not in self.estate.lasting))
        return who

    def subscription(
        self,
        owner: Who,
        *,
        models: Models = None,
        limit: int = AMPLE,
        window: str = "1h",
        rates: Sequence[Rate] = (),
        priority: int = 0,
        token_metadata: Mapping[str, str] | None = None,
        awaited: bool = True,
    ) -> Subscription:
        """Quota for the owner on these models (by default the first); `rates` takes the place of limit and window."""
        made = Subscription(
            Ref(MAAS, "MaaSSubscription", self._next("sub"), self.wire.platform.namespaces.subscriptions),
            People.of(owner),
            self._models(models),
            tuple(rates) or (Rate(limit, window),),
            priority,
            token_metadata or {},
        )
        in_force = subscription_in_force(made, with_limits=self.estate.has_limit_policies) if awaited else ()
        self._subscriptions += [made] if awaited else []
        self.declare(made.manifest(), until=in_force)
        return made

    def policy(self, subjects: Who, *, models: Models = None, awaited: bool = True) -> Policy:
        """Access for the subjects to these models (by default the first)."""
        made = Policy(
            Ref(MAAS, "MaaSAuthPolicy", self._next("policy"), self.wire.platform.namespaces.subscriptions),
            People.of(subjects),
            self._models(models),
        )
        self._policies += [made] if awaited else []
        self.declare(made.manifest(), until=policy_in_force(made) if awaited else ())
        return made

    # --- credentials and callers ------------------------------------------------------------------------------------------

    def key(self, identity: Identity, subscription: Subscription | None = None, **options: Any) -> ApiKey:
        """An API key of that user, bound to the subscription; minted when it is first used."""
        person = self.caller(Token(self, identity))

        def post(body: Mapping[str, Any]) -> Exchange:
            return person.manage("POST", "/v1/api-keys", json=dict(body))

        return ApiKey(post, self._next("key"), subscription.name if subscription else None, **options)

    def token(self, identity: Identity, *, audiences: tuple[str, ...] | None = None) -> Secret:
        """A fresh token of that ServiceAccount, by TokenRequest."""
        self.settle()
        options: dict[str, Any] = {"audiences": audiences} if audiences else {}
        return Secret(service_account_token(self.estate.cluster, identity.account, **options))

    def await_listed(self, identity: Identity, token: Secret) -> None:
        """Wait until the list of models, which costs no quota, shows what was granted: objects in force reach caches a little later.

        Says nothing when it does not: the check judges. Once it has not, later checks do not wait for it again.
        """
        granted = self._granted(identity)
        if not granted or self.estate.lists_late:
            return
        call = Call("GET", f"{self.wire.platform.endpoints.gateway}/v1/models", credential=token)
        answer, _ = until(lambda: self.estate.client.send(call), lambda seen: granted <= listed_ids(seen), CACHES)
        self.estate.lists_late = not granted <= listed_ids(answer)

    def _granted(self, identity: Identity) -> frozenset[str]:
        paid = {one.model_id for made in self._subscriptions if made.owner.include(identity) for one in made.models}
        allowed = {one.model_id for made in self._policies if made.subjects.include(identity) for one in made.models}
        return frozenset(paid & allowed)

    def caller(
        self,
        credential: Credential | Secret | None = None,
        *,
        identity: Identity | None = None,
        subscription: Subscription | None = None,
        model: ModelHandle | None = None,
    ) -> Caller:
        """Somebody with that credential; identity and subscription name the account that its calls should burn."""
        given = Given(credential) if credential is None or isinstance(credential, Secret) else credential
        target = model or (subscription.models[0] if subscription else self.model())
        return Caller(
            self.wire,
            given,
            target,
            identity.username if identity else None,
            subscription.name if subscription else None,
        )

    def person(self, identity: Identity, subscription: Subscription | None = None) -> Caller:
        """That identity with a token of its own."""
        return self.caller(Token(self, identity), identity=identity, subscription=subscription)

    def subscriber(self, identity: Identity, subscription: Subscription) -> Caller:
        """That identity with an API key for the subscription."""
        return self.caller(self.key(identity, subscription), identity=identity, subscription=subscription)

    def customer(self, *, models: Models = None, **quota: Any) -> Caller:
        """A new user with everything that access takes (subscription, policy, key), and nothing shared with anybody."""
        who = self.identity()
        subscription = self.subscription(who, models=models, **quota)
        self.policy(who, models=models)
        return self.subscriber(who, subscription)

    def anybody(self) -> Caller:
        """Somebody who is entitled: a new customer where the world can make one, else the key that the person configured.

        Raises NotReady when there is neither.
        """
        if self.wire.platform.provides.get("kube"):
            return self.customer()
        key = self.wire.platform.credentials.api_key
        if key is None:
            raise NotReady("this platform gives neither a kubeconfig nor an API key, so nobody can call it")
        return self.caller(key)

    # --- life -------------------------------------------------------------------------------------------------------------

    def entitlements(self, identity: Identity) -> Entitlements:
        """What that identity may list, by the platform's objects."""
        self.settle()
        return entitlements_of(self.estate.cluster, identity, self.wire.platform.namespaces.subscriptions)

    def until(self, probe: Callable[[], Exchange], holds: Callable[[Exchange], bool]) -> tuple[Exchange, float]:
        """Repeat a call until its answer is as it should be, or the platform's own bound for grants and revocations is over.

        The last answer, and the seconds it took; the check judges it.
        """
        return until(probe, holds, Bound("revocation_bound_s", self.wire.platform.parameters.revocation_bound_s))

    def once_refused(self, probe: Callable[[], Exchange], *, characteristic: str | None = None) -> Exchange:
        """Repeat a call until it is refused with 401 or 403 or the bound is over, and publish how long that took."""
        exchange, seconds = self.until(probe, lambda answer: answer.status in (401, 403))
        if characteristic:
            self.wire.recorder.characteristic(characteristic, seconds, "s")
        return exchange

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
            self.declare(until=(limit_enforced(subscription, model),))
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

    def _models(self, models: Models) -> tuple[ModelHandle, ...]:
        if models is None:
            return (self.model(),)
        return (models,) if isinstance(models, ModelHandle) else tuple(models)

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{self.name}-{kind}{self._count}"
