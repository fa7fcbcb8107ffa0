"""OIDC tokens: JWTs of the issuers that tenants name, verified with the issuer's published keys.

A token of another issuer is somebody else's business (the next source decides); one of ours that does not verify is unauthenticated
there too. A verified token is refused (403) when it was issued to another client, or names a group that could break out of a header.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.util import urlsafe_b64decode

from harness.simulator.gateway.authorizer.credentials import with_authenticated
from harness.simulator.gateway.authorizer.decision import DENIED, Identity, Refusal, UnavailableError

LOG = logging.getLogger("authorizer.oidc")
ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"]
SAFE_GROUP = re.compile(r"[A-Za-z0-9:._/-]+")
REFETCH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer that a tenant trusts. `ttl`: seconds between two fetches of its keys."""

    url: str
    client_id: str
    ttl: float = 300.0


def issuers(tenants: Iterable[Any]) -> dict[str, Issuer]:
    """Issuers by URL, from AITenant objects."""
    found = {}
    for tenant in tenants:
        oidc = (tenant.get("spec") or {}).get("oidc")
        if oidc and not tenant["metadata"].get("deletionTimestamp"):
            url = str(oidc["issuerUrl"]).rstrip("/")
            found[url] = Issuer(url, str(oidc["clientId"]), float(oidc.get("ttl") or 300))
    return found


def issuer_of(token: str) -> str | None:
    """The `iss` a JWT claims, unverified; None for what is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(urlsafe_b64decode(parts[1].encode()))
    except (ValueError, TypeError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer.rstrip("/") if isinstance(issuer, str) else None


class OidcTokens:
    """Verifies tokens. Keys are fetched again when they are old, and when a token names one that is unknown."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        trusted: Callable[[], dict[str, Issuer]],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._trusted = trusted
        self._clock = clock
        self._now = now
        self._keys: dict[str, tuple[KeySet, float]] = {}

    async def identify(self, token: str) -> Identity | Refusal | None:
        """The caller, a refusal, or None where the token is not one of ours or does not verify. Raises UnavailableError."""
        issuer = self._trusted().get(issuer_of(token) or "")
        if issuer is None:
            return None
        keys = await self._keys_of(issuer, issuer.ttl)
        try:
            claims = self._verified(token, keys, issuer)
        except (JoseError, ValueError):
            try:
                claims = self._verified(token, await self._keys_of(issuer, REFETCH_SECONDS), issuer)
            except (JoseError, ValueError) as error:
                LOG.info("a token of %s does not verify: %s", issuer.url, type(error).__name__)
                return None
        return caller(claims, issuer)

    def _verified(self, token: str, keys: KeySet, issuer: Issuer) -> dict[str, Any]:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        now = int(self._now())
        jwt.JWTClaimsRegistry(now=now, leeway=0, exp={"essential": True}).validate(claims)
        if str(claims.get("iss", "")).rstrip("/") != issuer.url:
            raise ValueError("another issuer")
        return claims

    async def _keys_of(self, issuer: Issuer, age: float) -> KeySet:
        known = self._keys.get(issuer.url)
        if known is not None and self._clock() - known[1] < age:
            return known[0]
        try:
            document = (
                (await self._client.get(issuer.url + "/.well-known/openid-configuration")).raise_for_status().json()
            )
            published = (await self._client.get(document["jwks_uri"])).raise_for_status().json()
            keys = KeySet.import_key_set(published)
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            raise UnavailableError(f"the keys of {issuer.url} could not be fetched: {type(error).__name__}") from error
        self._keys[issuer.url] = (keys, self._clock())
        return keys


def caller(claims: dict[str, Any], issuer: Issuer) -> Identity | Refusal | None:
    """Who a verified token stands for. A token without `azp` is accepted, as on the stack."""
    if claims.get("azp") not in (None, issuer.client_id):
        return DENIED
    username = claims.get("preferred_username") or claims.get("sub")
    groups = claims.get("groups") or []
    if not isinstance(username, str) or not isinstance(groups, list):
        return None
    if not all(isinstance(group, str) and SAFE_GROUP.fullmatch(group) for group in groups):
        return DENIED
    return Identity(username, with_authenticated(tuple(groups)))
