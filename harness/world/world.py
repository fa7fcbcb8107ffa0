"""A check's own world: identities, subscriptions, policies, models and keys, made through the API and removed at its end.

A check declares what it needs; everything is created in one batch and awaited together when the first credential is used
(or `settle` is called), so that a set-up costs one propagation and not one for each object. Nothing is shared between
checks but the platform's own models, and the entitlement of those who leave it as it is (`anybody`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.client.exchange import Exchange
from harness.client.measuring import Call
from harness.client.secret import Secret
from harness.engine.failure import NotReady
from harness.kube.access import service_account_token
from harness.kube.wait import Bound
from harness.platforms.platform import ModelHandle
from harness.world.apikey import ApiKey
from harness.world.caller import Caller, Credential, Given, Wire
from harness.world.entitlement import Entitlements, entitlements_of
from harness.world.estate import Estate
from harness.world.expectations import describe, expect, listed_ids
from harness.world.governance import Subscription
from harness.world.grants import Chosen, Grants
from harness.world.identity import Identity, Person
from harness.world.oidc import Issuer, OidcToken, OidcUser
from harness.world.patience import until

if TYPE_CHECKING:
    from harness.world.tenant import Tenant

REFUSED = (401, 403)
IN_A_ROW = 5
"""Refusals that show that a credential or a grant is gone at every replica that a call may reach."""
CACHES = Bound("what is in force is known to the management API", 5)


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
                self.world.remember(self.identity, self)
        return self._text


class World(Grants):
    """The objects of one check; `name` makes their names unique on the platform."""

    _tenants: "tuple[Tenant, ...]" = ()

    def __init__(self, estate: Estate, wire: Wire) -> None:
        super().__init__(estate, wire)
        self._tokens: dict[Person, tuple[frozenset[str], Credential]] = {}

    # --- credentials and callers ------------------------------------------------------------------------------------------

    @property
    def issuer(self) -> Issuer:
        """The issuer that the platform's default tenant trusts. Raises NotReady where there is none."""
        return self.estate.issuer

    def realm(self, name: str) -> Issuer:
        """Another realm of the same issuer, of this check's own; no tenant trusts it unless it is told to."""
        return self.issuer.realm(f"{self.name}-{name}")

    def token_of(self, person: Person) -> Credential:
        """A token of that person as a credential, requested when it is first used."""
        match person:
            case Identity():
                return Token(self, person)
            case OidcUser():
                return OidcToken(self, self.issuer, person)
            case _:
                raise TypeError(f"nobody gives tokens to {person!r}")

    def key(self, identity: Person, subscription: Subscription | None = None, **options: Any) -> ApiKey:
        """An API key of that user, bound to the subscription; minted when it is first used, with a token that the user has."""

        def post(body: Mapping[str, Any]) -> Exchange:
            self.settle()  # a token that is in use already does not say that all declared since is in force
            return self.caller(self._known_token(identity)).manage("POST", "/v1/api-keys", json=dict(body))

        return ApiKey(post, self.own_name("key"), subscription.name if subscription else None, **options)

    def remember(self, person: Person, token: Credential) -> None:
        """This token is in use, and the platform knows what its user has been granted so far."""
        self._tokens[person] = (self._granted(person), token)

    def _known_token(self, person: Person) -> Credential:
        """A token to mint keys with; another one when more was granted since, for its first use waits until that is known."""
        granted, token = self._tokens.get(person, (None, None))
        if token is None or granted != self._granted(person):
            token = self.token_of(person)
            self.remember(person, token)
        return token

    def token(self, identity: Identity, *, audiences: tuple[str, ...] | None = None) -> Secret:
        """A fresh token of that ServiceAccount, by TokenRequest."""
        self.settle()
        options: dict[str, Any] = {"audiences": audiences} if audiences else {}
        return Secret(service_account_token(self.estate.cluster, identity.account, **options))

    def await_listed(self, identity: Person, token: Secret) -> None:
        """Wait until the list of models, which costs no quota, shows what was granted: objects in force reach caches a little later.

        Says nothing when it does not: the check judges. Once it has not, later checks do not wait for it again.
        """
        granted = self._granted(identity)
        if not granted or self.estate.lists_late:
            return
        call = Call("GET", f"{self.wire.platform.endpoints.gateway}/v1/models", credential=token)
        answer, _ = until(lambda: self.estate.client.send(call), lambda seen: granted <= listed_ids(seen), CACHES)
        self.estate.lists_late = not granted <= listed_ids(answer)
        if not self.estate.lists_late:
            shown = {made.ref for made in self._subscriptions if made.owner.include(identity)}
            self.estate.listed |= shown & self.estate.common

    def caller(
        self,
        credential: Credential | Secret | None = None,
        *,
        identity: Person | None = None,
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

    def person(self, identity: Person, subscription: Subscription | None = None) -> Caller:
        """That identity with a token of its own."""
        return self.caller(self.token_of(identity), identity=identity, subscription=subscription)

    def subscriber(self, identity: Person, subscription: Subscription) -> Caller:
        """That identity with an API key for the subscription."""
        return self.caller(self.key(identity, subscription), identity=identity, subscription=subscription)

    def customer(self, *, models: Chosen = None, **quota: Any) -> Caller:
        """A new user with everything that access takes (subscription, policy, key), and nothing shared with anybody."""
        who = self.identity()
        subscription = self.subscription(who, models=models, **quota)
        self.policy(who, models=models)
        return self.subscriber(who, subscription)

    def anybody(self) -> Caller:
        """Somebody who is entitled, and whose entitlement the check leaves as it is.

        A new member of the worker's common subscription where the world can make one, else the key that the person configured. Raises
        NotReady when there is neither.
        """
        if self.wire.platform.provides.get("kube"):
            return self.subscriber(self.member(), self.common())
        key = self.wire.platform.credentials.api_key
        if key is None:
            raise NotReady("this platform gives neither a kubeconfig nor an API key, so nobody can call it")
        return self.caller(key)

    # --- tenants ----------------------------------------------------------------------------------------------------------

    def tenant(self, **options: Any) -> "Tenant":
        """A tenant of the check's own, with a gateway; see `Tenant` for what may be said of it (`oidc`, `listeners`).

        With `opened` False nothing of it is made yet; it is removed at the end all the same.
        """
        return self.tenants(1, **options)[0]

    def tenants(self, number: int, *, opened: bool = True, **options: Any) -> "tuple[Tenant, ...]":
        """Several, made together. Raises NotReady when they do not come into force or cannot be reached."""
        from harness.world.tenant import Tenant, open_tenants

        made = tuple(Tenant(self, **options) for _ in range(number))
        self._tenants += made
        open_tenants(made if opened else ())
        return made

    def common_tenant(self) -> "Tenant":
        """A tenant with a model that all checks of the run share, for those that leave it as it is; see `CommonTenant`."""
        return self.common_tenants(1)[0]

    def common_tenants(self, number: int) -> "tuple[Tenant, ...]":
        """Several of them, in force and reachable. Raises NotReady as `tenants` does."""
        from harness.world.common_tenant import CommonTenant, open_common

        entered = tuple(CommonTenant(self, place) for place in range(number))
        self._tenants += entered
        open_common(entered)
        return entered

    def remove(self) -> None:
        """Delete everything that was made, tenants first."""
        for tenant in self._tenants:
            tenant.remove()
        self._tenants = ()
        super().remove()

    # --- life -------------------------------------------------------------------------------------------------------------

    def entitlements(self, identity: Person) -> Entitlements:
        """What that identity may list, by the platform's objects."""
        self.settle()
        return entitlements_of(self.estate.cluster, identity, self.wire.platform.namespaces.subscriptions)

    def until(self, probe: Callable[[], Exchange], holds: Callable[[Exchange], bool]) -> tuple[Exchange, float]:
        """Repeat a call until its answer is as it should be, or the platform's own bound for grants and revocations is over.

        The last answer, and the seconds it took; the check judges it.
        """
        return until(probe, holds, Bound("revocation_bound_s", self.wire.platform.parameters.revocation_bound_s))

    def once_refused(
        self, probe: Callable[[], Exchange], *, characteristic: str | None = None, requirement: str | None = None
    ) -> Exchange:
        """Repeat a call until it is refused with 401 or 403 for good or the bound is over, and publish how long that took.

        One refusal is not the end where several replicas decide, each with a memory of its own: it takes `IN_A_ROW` of them, with
        nothing served in between. The last answer. Raises NotConformant when something is served all the same.
        """

        def several() -> Exchange:
            answer = probe()
            for _ in range(IN_A_ROW - 1):
                if answer.status not in REFUSED:
                    break
                answer = probe()
            return answer

        exchange, seconds = self.until(several, lambda answer: answer.status in REFUSED)
        if characteristic:
            self.wire.recorder.characteristic(characteristic, seconds, "s")
        bound = self.wire.platform.parameters.revocation_bound_s
        expect(
            exchange.status in REFUSED,
            expected=f"401 or 403, {IN_A_ROW} times in a row, at the latest {bound:g} s (revocation_bound_s) after access was taken away",
            observed=describe(exchange),
            exchange=exchange,
            requirement=requirement,
        )
        return exchange
