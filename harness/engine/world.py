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
from harness.engine.apikey import ApiKey
from harness.engine.caller import Caller, Credential, Given, Wire
from harness.engine.entitlement import Entitlements, entitlements_of
from harness.engine.estate import WORLD_PREFIX, Estate
from harness.engine.expectations import listed_ids
from harness.engine.failure import NotConformant, NotReady
from harness.engine.force import model_in_force, model_ref, policy_in_force, subscription_in_force
from harness.engine.governance import MAAS, People, Policy, Rate, Subscription, Who
from harness.engine.identity import Identity, service_account
from harness.engine.patience import until
from harness.engine.twin import Twin, gateway_refs, twin_of
from harness.kube.access import service_account_token
from harness.kube.apply import apply_manifests, delete_all
from harness.kube.fault import WaitExpired
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound, Expectation, delete_and_wait, has_phase, wait_for, wait_for_all
from harness.ledger.journal import Journals
from harness.platforms.platform import ModelHandle

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


class World:
    """The objects of one check; `name` makes their names unique on the platform."""

    def __init__(self, estate: Estate, wire: Wire) -> None:
        self.estate = estate
        self.wire = wire
        self.name = f"{WORLD_PREFIX}{secrets.token_hex(4)}"
        self._count = 0
        self._pending: list[Manifest] = []
        self._awaited: list[Expectation] = []
        self._subscriptions: list[Subscription] = []
        self._policies: list[Policy] = []
        self._made: list[Ref] = []
        self._new_servers = False
        self._journals: Journals | None = None

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

    def declare(self, *manifests: Manifest, until: Any = ()) -> None:
        """Have these objects created by the next `settle`, which then waits until the expectations hold."""
        known = {str(Ref.of(manifest)) for manifest in self._pending} | {str(ref) for ref in self._made}
        self._new_servers |= any(manifest["kind"] == "LLMInferenceService" for manifest in manifests)
        self._pending += [manifest for manifest in manifests if str(Ref.of(manifest)) not in known]
        self._awaited += until

    def settle(self) -> None:
        """Create what was declared, in one batch, and wait until all of it is in force.

        Raises NotReady, quoting the bound and what the object says of itself, when it does not come into force.
        """
        if not self._pending and not self._awaited:
            return
        pending, awaited, self._pending, self._awaited = self._pending, self._awaited, [], []
        self._made += [Ref.of(manifest) for manifest in pending]
        apply_manifests(self.estate.cluster, pending, self.estate.labels)
        self.estate.lasting.update({self.estate.namespace_ref} & {Ref.of(manifest) for manifest in pending})
        try:
            wait_for_all(self.estate.cluster, awaited, self.estate.ready_bound)
        except WaitExpired as expired:
            raise NotReady(str(expired)) from expired

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

    def journals(self) -> Journals | None:
        """The journals of the platform's model servers and of this world's own; None where none can be read."""
        self.settle()
        if not self._new_servers:
            return self.estate.platform_journals
        if self._journals is None:
            self._journals = self.estate.journals_of(self.name)
        return self._journals

    def await_phase(self, thing: Subscription | Policy, *phases: str) -> None:
        """Wait until the object has one of these phases. Raises NotConformant, see `await_model_phase`."""
        try:
            wait_for(self.estate.cluster, has_phase(thing.ref, *phases), self.estate.ready_bound)
        except WaitExpired as expired:
            wanted = " or ".join(phases)
            raise NotConformant(expected=f"{thing.ref} gets phase {wanted}", observed=str(expired)) from expired

    def await_model_phase(self, model: ModelHandle, *phases: str) -> Manifest:
        """Wait until the model's MaaSModelRef has one of these phases, and return it.

        Raises NotConformant: a check that awaits a phase by name says that the platform promises it within the bound.
        """
        try:
            found = wait_for(self.estate.cluster, has_phase(model_ref(model), *phases), self.estate.ready_bound)
        except WaitExpired as expired:
            wanted = " or ".join(phases)
            raise NotConformant(
                expected=f"MaaSModelRef {model.name} gets phase {wanted}", observed=str(expired)
            ) from expired
        return found or {}

    def await_in_force(self, subscription: Subscription, policy: Policy) -> None:
        """Wait until both are in force, for checks that declared them before they could be."""
        self._awaited += subscription_in_force(subscription, with_limits=self.estate.has_limit_policies)
        self._awaited += policy_in_force(policy)
        self._subscriptions.append(subscription)
        self._policies.append(policy)
        self.settle()

    def change_rates(self, subscription: Subscription, *rates: Rate) -> Subscription:
        """Edit a subscription's limits and wait until the new ones are enforced; the edited value."""
        self.settle()
        edited = replace(subscription, rates=rates)
        in_force = subscription_in_force(edited, with_limits=self.estate.has_limit_policies)
        self._pending.append(edited.manifest())
        self._awaited += in_force
        self.settle()
        return edited

    def withdraw(self, *things: Subscription | Policy | Ref) -> None:
        """Delete objects in the midst of a check, and wait until they are gone."""
        refs = [thing if isinstance(thing, Ref) else thing.ref for thing in things]
        bound: Bound = self.estate.ready_bound
        delete_and_wait(self.estate.cluster, refs, bound)
        self._made = [ref for ref in self._made if ref not in refs]

    def remove(self) -> None:
        """Delete everything this world made, last first; the namespace of the worker's identities stays for the next check."""
        if self._journals is not None:
            self._journals.close()
        doomed = [ref for ref in self._made if ref != self.estate.namespace_ref]
        self._made, self._pending, self._awaited = [], [], []
        if not self.estate.keep:
            delete_all(self.estate.cluster, doomed)

    def _models(self, models: Models) -> tuple[ModelHandle, ...]:
        if models is None:
            return (self.model(),)
        return (models,) if isinstance(models, ModelHandle) else tuple(models)

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{self.name}-{kind}{self._count}"
