"""A Keycloak in the place of the platform's own issuer: real users log in, and what no user's token says, mappers say.

Whatever is made for one token is removed with it; keys and realms of a check go when the platform is closed. All of it says whose it is and
since when (`Mark`): in its name, a user in their address, a group in an attribute, since the names of both are what tokens have to say.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from joserfc.util import urlsafe_b64decode
from orjson import loads

from harness.client.keycloak import Keycloak, KeycloakError, Realm
from harness.client.mappers import group_mapper
from harness.client.secret import Secret
from harness.engine.failure import NotReady
from harness.platforms.keycloak import Mark, TrustedKeycloak
from harness.world.oidc import USUAL_S, OidcUser

PREFERRED, SPARE = 10_000, -1_000
"""Priorities of a key that signs now, and of one that is published alone."""
USUAL_ALGORITHM: Final = "RS256"
ROTATION_S: Final = 5.0
"""How long another check's key may sign in the usual one's place: it does for one token."""
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Method = Callable[Concatenate["KeycloakIssuer", Arguments], Result]


def answering(method: Method[Arguments, Result]) -> Method[Arguments, Result]:
    """The method, a Keycloak that refuses being no fault of the platform's."""

    @wraps(method)
    def answer(self: "KeycloakIssuer", /, *args: Arguments.args, **options: Arguments.kwargs) -> Result:
        try:
            return method(self, *args, **options)
        except KeycloakError as error:
            raise NotReady(str(error)) from error

    return answer


@dataclass(slots=True)
class KeycloakIssuer:
    """A realm of a Keycloak, with the tenant's client."""

    trusted: TrustedKeycloak
    keycloak: Keycloak
    name: str
    _usual: frozenset[str] = field(default=frozenset())

    @property
    def url(self) -> str:
        """The `iss` of its tokens."""
        return f"{self.trusted.url}/realms/{self.name}"

    @answering
    def login(self, user: OidcUser) -> Secret:
        """The user is made, logs in with a password, and is removed: a token that was issued counts on."""
        realm, password = self._realm, Secret(secrets.token_urlsafe(24))
        mark = self.trusted.named()
        groups = [made for group in user.claimed if (made := realm.put_group(group, mark=mark))]
        known = realm.put_user(user.username, password, user.claimed, mark=mark)
        try:
            return self._by_usual_key(lambda: realm.login(self.trusted.form_of(user.username, password)))
        finally:
            realm.forget_user(known)
            for group in groups:
                realm.forget_group(group)

    @answering
    def sign(self, claims: Mapping[str, Any], *, expires_in: float = USUAL_S, kid: str | None = None) -> Secret:
        """A token of a client that is there for it alone, with mappers that say these claims."""
        told = {"azp": self.trusted.client, "aud": "account", **claims}
        if not told["azp"] or "exp" in told or "iss" in told:
            raise NotReady("a Keycloak issues no such token: the check should need 'any-token'")
        realm, mark = self._realm, self.trusted.named()
        if kid is None:
            return self._by_usual_key(lambda: realm.signed(told, expires_in=expires_in, mark=mark))
        algorithm = next(str(key["algorithm"]) for key in realm.every_key() if key.get("kid") == kid)
        realm.prefer(kid, PREFERRED)
        try:
            return realm.signed(told, expires_in=expires_in, algorithm=algorithm, mark=mark)
        finally:
            realm.prefer(kid, SPARE)

    @answering
    def new_key(self, algorithm: str | None = None) -> str:
        """Publish a key that signs nothing until a token names it."""
        return self._realm.new_key(algorithm or USUAL_ALGORITHM, self.trusted.named(secrets.token_hex(4)), SPARE)

    @answering
    def published(self) -> Sequence[Mapping[str, Any]]:
        """The public keys that sign, as a relying party finds them."""
        return self._realm.published()

    def switch(self, *, available: bool) -> None:
        """A Keycloak publishes the keys even of a realm that is disabled."""
        raise NotReady(
            f"a Keycloak cannot be made {'available' if available else 'silent'}: the check should need 'any-token'"
        )

    @answering
    def realm(self, name: str) -> "KeycloakIssuer":
        """A realm of the run's own, with the tenant's client."""
        made = KeycloakIssuer(self.trusted, self.keycloak, self.trusted.named(name))
        made._realm.make()
        secret = self.trusted.client_secret
        settings = {"secret": secret.reveal()} if secret else {}
        mappers = [group_mapper()]
        made._realm.put_client(self.trusted.client, directAccessGrantsEnabled=True, protocolMappers=mappers, **settings)
        return made

    @property
    def _realm(self) -> Realm:
        return self.keycloak.realm(self.name)

    def _by_usual_key(self, issue: Callable[[], Secret]) -> Secret:
        """A token that no other check's key signed, as one may for a moment: whoever verifies tokens looks for new keys now and then."""
        if not self._usual:
            strange = {entry["id"] for entry in self._realm.providers() if Mark.of(entry["name"])}
            keys = self._realm.every_key()
            self._usual = frozenset(
                str(key["kid"]) for key in keys if "kid" in key and key["providerId"] not in strange
            )
        end = time.monotonic() + ROTATION_S
        while True:
            token = issue()
            if kid_of(token) in self._usual or time.monotonic() > end:
                return token


def kid_of(token: Secret) -> str | None:
    """The id of the key that a token names."""
    with suppress(ValueError):
        return str(loads(urlsafe_b64decode(token.reveal().partition(".")[0].encode())).get("kid"))
    return None
