"""Realms: an issuer's keys, its clients and users, and the tokens that it signs."""

import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from joserfc import jwt
from joserfc.jwk import ECKey, KeyParameters, KeySet, RSAKey

Algorithm = Literal["ES256", "RS256"]
Key = ECKey | RSAKey
CLIENT = "maas"
"""The public client that every realm has from the start."""
LIFETIME_S = 300


class UnknownKeyError(LookupError):
    """The realm has no signing key of that id."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in with a password."""

    password: str
    groups: tuple[str, ...]


def generate(algorithm: Algorithm) -> Key:
    """A fresh signing key with an id of its own."""
    parameters: KeyParameters = {"kid": secrets.token_urlsafe(16), "use": "sig", "alg": algorithm}
    if algorithm == "RS256":
        return RSAKey.generate_key(2048, parameters)
    return ECKey.generate_key("P-256", parameters)


@cache
def encryption_key() -> RSAKey:
    """A published key that signs nothing: who verifies tokens has to pass it over. One for all realms, for it takes long to make."""
    return RSAKey.generate_key(2048, {"kid": secrets.token_urlsafe(16), "use": "enc", "alg": "RSA-OAEP"})


@dataclass
class Realm:
    """One issuer; `url` is what its tokens carry as `iss`. One key signs, every key is published until it is withdrawn."""

    name: str
    url: str
    algorithm: Algorithm = "ES256"
    available: bool = True
    fetched: int = 0
    users: dict[str, User] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=lambda: {CLIENT: ""})
    keys: list[Key] = field(default_factory=list)
    signing: str = ""
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if not self.keys:
            self.rotate()

    def rotate(self, algorithm: Algorithm | None = None, *, signs: bool = True) -> str:
        """Publish a new key, and sign with it from now on unless it is for those alone who name it; its id."""
        key = generate(algorithm or self.algorithm)
        self.keys.append(key)
        if signs:
            self.signing = str(key.kid)
        return str(key.kid)

    def withdraw(self, kid: str) -> None:
        """Publish a key no longer. Raises UnknownKeyError, also for the key that signs."""
        if kid == self.signing:
            raise UnknownKeyError(f"realm {self.name} signs with the key {kid}; rotate first")
        self.keys.remove(self._key(kid))

    def published(self) -> Any:
        """The JSON Web Key Set: what signs, the oldest first, and behind it a key for encryption, as at Keycloak."""
        return KeySet(list[Any]([*self.keys, encryption_key()])).as_dict(private=False)

    def sign(
        self,
        claims: Mapping[str, Any],
        *,
        expires_in: float = LIFETIME_S,
        header: Mapping[str, Any] | None = None,
        kid: str | None = None,
    ) -> str:
        """A JWT with these claims on top of the usual ones; a claim of null is left out. Raises UnknownKeyError."""
        key = self._key(kid or self.signing)
        now = int(self.now())
        usual = {
            "iss": self.url,
            "iat": now,
            "exp": now + int(expires_in),
            "jti": str(uuid.uuid4()),
            "typ": "Bearer",
            "aud": "account",
            "azp": CLIENT,
        }
        body = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        algorithm = str(key.as_dict(private=False)["alg"])
        return jwt.encode(
            {"alg": algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}, body, key, algorithms=[algorithm]
        )

    def claims_of(self, username: str, groups: Iterable[str] | None, client: str) -> dict[str, Any]:
        """What a token says of somebody who logged in through a client; of who is in no group, Keycloak says nothing."""
        subject = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.url}#{username}"))
        named = list(groups or ()) or None
        return {"sub": subject, "preferred_username": username, "groups": named, "azp": client}

    def _key(self, kid: str) -> Key:
        for key in self.keys:
            if key.kid == kid:
                return key
        raise UnknownKeyError(
            f"realm {self.name} has no key {kid!r}; it has {', '.join(str(key.kid) for key in self.keys)}"
        )


class Realms:
    """Every realm of the process, by name; `base` is the URL below which they lie."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._realms: dict[str, Realm] = {}

    def get(self, name: str) -> Realm | None:
        """The realm, None where there is none."""
        return self._realms.get(name)

    def make(self, name: str, algorithm: Algorithm = "ES256") -> Realm:
        """The realm of that name, made unless it is there."""
        found = self._realms.get(name)
        if found is None:
            found = self._realms[name] = Realm(name, self.url_of(name), algorithm)
        return found

    def url_of(self, name: str) -> str:
        """The `iss` of a realm of that name."""
        return f"{self._base}/realms/{name}"

    def put(self, realm: Realm) -> None:
        """Have a realm that exists already."""
        self._realms[realm.name] = realm

    def remove(self, name: str) -> None:
        """Forget a realm and its keys."""
        self._realms.pop(name, None)

    def __iter__(self) -> Iterator[Realm]:
        return iter(tuple(self._realms.values()))
