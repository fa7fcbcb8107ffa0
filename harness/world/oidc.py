"""People of an OIDC issuer: users that a check makes up, with tokens that say what the check wants said."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.client.measuring import Call, MeasuringClient
from harness.client.secret import Secret
from harness.engine.failure import NotReady
from harness.platforms.platform import Endpoints
from harness.world.identity import AUTHENTICATED, Person

USUAL_S = 300.0
"""Seconds for which tokens count unless a check says otherwise."""
CLIENT = "maas"
"""The client that the platform's tenant trusts the issuer for, and that tokens are issued to unless a check says otherwise."""


class Issuer(Protocol):
    """A realm of an issuer; `url` is the `iss` of its tokens. Raises NotReady for what it does not do."""

    @property
    def url(self) -> str:
        """Whose tokens a tenant trusts."""

    def login(self, user: "OidcUser") -> Secret:
        """A token as a user gets it who logs in through the platform's client."""

    def sign(self, claims: Mapping[str, Any], *, expires_in: float = USUAL_S, kid: str | None = None) -> Secret:
        """A token with these claims on top of the usual ones; a claim of None is left out. `expires_in` seconds may be negative."""

    def new_key(self, algorithm: str | None = None) -> str:
        """Publish another key, with which the tokens are signed that name it, and no others; its id."""

    def published(self) -> Sequence[Mapping[str, Any]]:
        """The public keys that sign, as JSON Web Keys."""

    def switch(self, *, available: bool) -> None:
        """Let the realm answer nobody but us, or everybody again."""

    def realm(self, name: str) -> "Issuer":
        """A realm of that name at the same issuer, made unless it is there. No tenant trusts it unless it is told to."""


@dataclass(frozen=True, slots=True)
class OwnIssuer:
    """A realm of the reference platform's issuer: `admin` is where tokens are signed on demand."""

    client: MeasuringClient
    url: str
    admin: str

    def login(self, user: "OidcUser") -> Secret:
        """A token that says of the user what is known."""
        return self.sign(user.claims())

    def sign(
        self,
        claims: Mapping[str, Any],
        *,
        expires_in: float = USUAL_S,
        kid: str | None = None,
    ) -> Secret:
        """A token with these claims on top of the usual ones; a claim of None is left out. `expires_in` seconds may be negative."""
        wish = {"claims": dict(claims), "expires_in": expires_in, "kid": kid}
        return Secret(str(self._ask("POST", "/tokens", wish)["access_token"]))

    def new_key(self, algorithm: str | None = None) -> str:
        """Publish another key, with which the tokens are signed that name it, and no others; its id."""
        return str(self._ask("POST", "/keys", {"algorithm": algorithm, "signs": False})["kid"])

    def published(self) -> Sequence[Mapping[str, Any]]:
        """The public keys that sign, as JSON Web Keys, the oldest first."""
        return [key for key in self._ask("GET")["jwks"]["keys"] if key["use"] == "sig"]

    def switch(self, *, available: bool) -> None:
        """Let the realm answer nobody but us, or everybody again."""
        self._ask("PUT", "/availability", {"available": available})

    def realm(self, name: str) -> "OwnIssuer":
        """Another realm of the process."""
        made = OwnIssuer(
            self.client, f"{self.url.rpartition('/')[0]}/{name}", f"{self.admin.rpartition('/')[0]}/{name}"
        )
        made._ask("PUT", body={})
        return made

    def _ask(self, method: str, path: str = "", body: Any = None) -> Any:
        answer = self.client.send(Call(method, self.admin + path, json=body))
        if answer.status is None or answer.status >= 300:
            raise NotReady(
                f"the issuer's {method} {self.admin}{path} was answered with {answer.status or answer.error}"
            )
        return answer.json()


def issuer_of(endpoints: Endpoints, client: MeasuringClient) -> OwnIssuer:
    """The realm that the default tenant trusts. Raises NotReady where there is none: the check should need 'oidc'."""
    if endpoints.issuer is None or endpoints.issuer_admin is None:
        raise NotReady("this platform has no issuer that signs tokens on demand: the check should need 'oidc'")
    realm = endpoints.issuer.rpartition("/")[2]
    return OwnIssuer(client, endpoints.issuer, f"{endpoints.issuer_admin}/realms/{realm}")


@dataclass(frozen=True, slots=True)
class OidcUser:
    """A user of an issuer. `claimed` are the groups of the tokens; the platform adds that everybody is authenticated."""

    username: str
    claimed: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Every group that the platform knows the user by."""
        return (*self.claimed, AUTHENTICATED)

    def claims(self) -> dict[str, Any]:
        """What a token says of the user."""
        return {"sub": f"id-of-{self.username}", "preferred_username": self.username, "groups": list(self.claimed)}


class Host(Protocol):
    """What a token needs of the world that it is used in."""

    def settle(self) -> None:
        """Create what was declared, and wait until it is in force."""

    def await_listed(self, identity: Person, token: Secret) -> None:
        """Wait until what was granted is listed."""


@dataclass(slots=True)
class OidcToken:
    """A token of an OIDC user as a credential, signed when it is first used. `changes` lie on top of the usual claims."""

    host: Host
    issuer: Issuer
    user: OidcUser
    changes: Mapping[str, Any] = field(default_factory=dict)
    expires_in: float = USUAL_S
    awaited: bool = True
    kid: str | None = None
    _text: Secret | None = None

    def secret(self) -> Secret:
        """The token. Its first use waits until the management API knows what its user was granted."""
        if self._text is None:
            self.host.settle()
            self._text = self._issued()
            if self.awaited and not self.changes and self.expires_in > 0:
                self.host.await_listed(self.user, self._text)
        return self._text

    def _issued(self) -> Secret:
        """Who wants nothing said otherwise logs in, for that is how real tokens come about."""
        if not self.changes and self.expires_in == USUAL_S and self.kid is None:
            return self.issuer.login(self.user)
        claims = {**self.user.claims(), **self.changes}
        return self.issuer.sign(claims, expires_in=self.expires_in, kid=self.kid)


@dataclass(frozen=True, slots=True)
class Forged:
    """A text made from a token, as a credential."""

    make: Callable[[], Secret]

    def secret(self) -> Secret:
        """It."""
        return self.make()
