"""What the contract asks of an issuer, of our own and of a real Keycloak."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

from harness.client.keycloak import Realm
from harness.client.mappers import group_mapper
from harness.client.secret import Secret
from tests.issuer.conftest import Issuer

CLIENT, ROBOT, ROBOTS_SECRET = "maas", "robot", "s3cret"
ALGORITHMS = ["ES256", "RS256"]


class Subject(Protocol):
    """A realm with a public client `maas` and a client `robot` that is an account of its own."""

    @property
    def url(self) -> str:
        """The `iss` of its tokens."""

    @property
    def http(self) -> httpx.Client:
        """A client that trusts its certificate."""

    def put_user(self, name: str, password: str, *groups: str) -> None:
        """Somebody who may log in, in these groups and no others."""

    def new_key(self, algorithm: str) -> str:
        """Sign with a new key from now on; its id."""

    def withdraw(self, kid: str) -> None:
        """Publish a key no longer."""

    def expired(self) -> str:
        """A token whose time is over."""


def document(subject: Subject) -> dict[str, Any]:
    """The discovery document."""
    found: dict[str, Any] = (
        subject.http.get(f"{subject.url}/.well-known/openid-configuration").raise_for_status().json()
    )
    return found


def keys(subject: Subject) -> Sequence[dict[str, Any]]:
    """Every published key."""
    found: Sequence[dict[str, Any]] = subject.http.get(document(subject)["jwks_uri"]).raise_for_status().json()["keys"]
    return found


def verified(subject: Subject, token: str) -> jwt.Token:
    """Verified with the keys that are published now, its times left alone."""
    return jwt.decode(token, KeySet.import_key_set({"keys": list(keys(subject))}), algorithms=ALGORITHMS)


def asked(subject: Subject, auth: tuple[str, str] | None = None, **form: str) -> httpx.Response:
    """A token request."""
    header = {"auth": auth} if auth else {}
    return subject.http.post(document(subject)["token_endpoint"], data=form, **header)  # type: ignore[arg-type] # of optional parts


def login(subject: Subject, name: str, password: str) -> str:
    """Somebody's access token."""
    answer = asked(subject, grant_type="password", client_id=CLIENT, username=name, password=password)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


@dataclass(frozen=True, slots=True)
class Ours:
    """A realm of our issuer."""

    issuer: Issuer

    @property
    def url(self) -> str:
        return self.issuer.realm

    @property
    def http(self) -> httpx.Client:
        return self.issuer.http

    def put_user(self, name: str, password: str, *groups: str) -> None:
        self.issuer.admin("PUT", f"/users/{name}", {"password": password, "groups": groups}).raise_for_status()

    def new_key(self, algorithm: str) -> str:
        return str(self.issuer.admin("POST", "/keys", {"algorithm": algorithm}).json()["kid"])

    def withdraw(self, kid: str) -> None:
        self.issuer.admin("DELETE", f"/keys/{kid}").raise_for_status()

    def expired(self) -> str:
        return str(self.issuer.admin("POST", "/tokens", {"expires_in": -60}).json()["access_token"])


@dataclass(frozen=True, slots=True)
class Real:
    """A realm of a Keycloak."""

    realm: Realm

    @property
    def url(self) -> str:
        return self.realm.url

    @property
    def http(self) -> httpx.Client:
        return self.realm.keycloak.http

    def put_user(self, name: str, password: str, *groups: str) -> None:
        self.realm.put_user(name, Secret(password), groups)

    def new_key(self, algorithm: str) -> str:
        first = max(int(key["providerPriority"]) for key in self.realm.every_key())
        kid = self.realm.new_key(algorithm, f"new-{first}", first + 1)
        self.realm.change(defaultSignatureAlgorithm=algorithm)
        return kid

    def withdraw(self, kid: str) -> None:
        self.realm.withdraw(kid)

    def expired(self) -> str:
        return self.realm.signed({"azp": CLIENT}, expires_in=-1).reveal()


def configured(realm: Realm) -> Real:
    """The realm as an administrator makes it for the platform."""
    realm.make()
    realm.put_client(CLIENT, directAccessGrantsEnabled=True, protocolMappers=[group_mapper()])
    realm.put_client(ROBOT, secret=ROBOTS_SECRET, serviceAccountsEnabled=True)
    return Real(realm)
