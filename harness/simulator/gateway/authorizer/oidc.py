"""OIDC tokens: JWTs of the issuer that a gateway's AuthPolicy trusts, verified with the issuer's published keys.

A token of another issuer is somebody else's business (the next source decides); one of ours that does not verify is unauthenticated
there too. A verified token is refused (403) when it was issued to another client, when it names a group that could break out of a
header, and when it claims a name that belongs to the cluster.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.util import urlsafe_b64decode

from harness.simulator.gateway.authorizer.credentials import AUTHENTICATED, with_authenticated
from harness.simulator.gateway.authorizer.decision import DENIED, Identity, Refusal, UnavailableError
from harness.simulator.gateway.authorizer.quirks import Quirk
from harness.simulator.gateway.plan.gatewayapi import Key, Object
from harness.simulator.gateway.plan.policies import by_target
from harness.simulator.gateway.plan.snapshot import Objects

LOG = logging.getLogger("authorizer.oidc")
ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"]
SAFE_GROUP = re.compile(r"[A-Za-z0-9:._/-]+")
SAFE_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,256}")
CLUSTER_PREFIX = "system:"
REFETCH_SECONDS = 1.0
"""Between two fetches for keys that nobody knows: whoever sends such tokens must not drive the issuer."""
LARGEST_DOCUMENT = 256 * 1024
CLIENT_CLAIM = "auth.identity.azp"
ANOTHERS = replace(DENIED)
"""The refusal of a token that was issued to another client."""
UNSAFE = replace(DENIED)
"""The refusal of a token that names somebody, or a group, that it must not."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer that a gateway trusts. `ttl`: seconds for which its keys are used without asking again."""

    url: str
    client_id: str
    ttl: float = 300.0


def issuer_in(policy: Object) -> Issuer | None:
    """The issuer and the client that an AuthPolicy names; None where it names none, or no client: then nobody is let in by it."""
    spec = policy.get("spec") or {}
    rules = (spec.get("overrides") or spec.get("defaults") or spec).get("rules") or {}
    sources = (rules.get("authentication") or {}).values()
    token = next((source["jwt"] for source in sources if "jwt" in source), None)
    patterns = (
        pattern
        for rule in (rules.get("authorization") or {}).values()
        for pattern in (rule.get("patternMatching") or {}).get("patterns") or ()
    )
    client = next((pattern.get("value") for pattern in patterns if pattern.get("selector") == CLIENT_CLAIM), None)
    if token is None or client is None:
        return None
    return Issuer(str(token["issuerUrl"]).rstrip("/"), str(client), float(token.get("ttl") or 300))


def issuer_at(gateway: Key, policies: Objects) -> Issuer | None:
    """The issuer that the policy in force on a gateway names."""
    found = by_target(policies).get(("Gateway", gateway))
    return issuer_in(found[0]) if found else None


def unverified(part: str) -> Mapping[str, Any]:
    """The JSON of a JWT's first or second part; empty for what is none."""
    try:
        found = orjson.loads(urlsafe_b64decode(part.encode()))
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def issuer_of(token: str) -> str | None:
    """The `iss` a JWT claims, unverified; None for what is no JWT."""
    parts = token.split(".")
    issuer = unverified(parts[1]).get("iss") if len(parts) == 3 else None
    return issuer.rstrip("/") if isinstance(issuer, str) else None


@dataclass(frozen=True, slots=True)
class Published:
    """An issuer's keys, and when they were fetched."""

    keys: KeySet
    fetched: float

    def know(self, token: str) -> bool:
        """Whether the key that the token names is among them; a token that names none may be signed by any."""
        kid = unverified(token.partition(".")[0]).get("kid")
        return kid is None or any(key.kid == kid for key in self.keys)


class OidcTokens:
    """Verifies tokens of one gateway. Keys are fetched again when they are old, and when a token names one that is unknown."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        trusted: Callable[[], Issuer | None],
        quirks: frozenset[Quirk] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._trusted = trusted
        self._quirks = quirks
        self._clock = clock
        self._now = now
        self._of = ""
        self._published: Published | None = None
        self._fetching = asyncio.Lock()

    async def identify(self, token: str) -> Identity | Refusal | None:
        """The caller, a refusal, or None where the token is not one of ours or does not verify.

        Raises UnavailableError where the issuer gives no keys and none that are fresh are known.
        """
        issuer = self._trusted()
        if issuer is None or issuer_of(token) != issuer.url:
            return None
        published = await self._keys(issuer, issuer.ttl)
        if not published.know(token):
            try:
                published = await self._keys(issuer, REFETCH_SECONDS)
            except UnavailableError as error:
                LOG.warning("a token of %s names an unknown key, and %s", issuer.url, error)
        try:
            claims = self._verified(token, published.keys, issuer)
        except (JoseError, ValueError) as error:
            LOG.info("a token of %s does not verify: %s", issuer.url, type(error).__name__)
            return None
        return caller(claims, issuer, self._quirks)

    def _verified(self, token: str, keys: KeySet, issuer: Issuer) -> dict[str, Any]:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        now = int(self._now())
        jwt.JWTClaimsRegistry(now=now, leeway=0, exp={"essential": True}).validate(claims)
        if str(claims.get("iss", "")).rstrip("/") != issuer.url:
            raise ValueError("another issuer")
        return claims

    async def _keys(self, issuer: Issuer, age: float) -> Published:
        """The issuer's keys, fetched at most `age` seconds ago; many who ask at once fetch once."""
        async with self._fetching:
            known = self._published if self._of == issuer.url else None
            if known is not None and self._clock() - known.fetched < age:
                return known
            found = Published(await self._fetched(issuer), self._clock())
            self._of, self._published = issuer.url, found
            return found

    async def _fetched(self, issuer: Issuer) -> KeySet:
        try:
            document = await self._document(issuer.url + "/.well-known/openid-configuration")
            return usable(await self._document(jwks_uri(document, issuer)))
        except (httpx.HTTPError, httpx.InvalidURL, JoseError, ValueError, KeyError, TypeError) as error:
            # whoever brings an issuer of their own meets this first, and the text says whether it is the address or the certificate
            raise UnavailableError(
                f"the keys of {issuer.url} could not be fetched: {type(error).__name__}: {error}"
            ) from error

    async def _document(self, url: str) -> Any:
        answer = (await self._client.get(url)).raise_for_status()
        if len(answer.content) > LARGEST_DOCUMENT:
            raise ValueError("the document is too long")
        return answer.json()


def usable(document: Mapping[str, Any]) -> KeySet:
    """The keys that may have signed a token. Those for encryption, or of kinds that nobody knows here, are no reason to miss the others.

    Raises ValueError where none is left, KeyError and TypeError for what is no JSON Web Key Set.
    """
    found: list[Any] = []
    for key in document["keys"]:
        if key.get("use") == "enc":
            continue
        try:
            found.extend(KeySet.import_key_set({"keys": [key]}).keys)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            LOG.warning("the key %s of an issuer is passed over: %s", key.get("kid"), type(error).__name__)
    if not found:
        raise ValueError("the issuer publishes no key that signs")
    return KeySet(found)


def jwks_uri(document: Mapping[str, Any], issuer: Issuer) -> str:
    """Where the keys are. Raises ValueError for a discovery document that speaks of another issuer."""
    if str(document["issuer"]).rstrip("/") != issuer.url:
        raise ValueError("the discovery document is another issuer's")
    return str(document["jwks_uri"])


def caller(
    claims: Mapping[str, Any], issuer: Issuer, quirks: frozenset[Quirk] = frozenset()
) -> Identity | Refusal | None:
    """Who a verified token stands for."""
    if not meant_for(claims, issuer, quirks):
        return ANOTHERS
    username = claims.get("preferred_username") or claims.get("sub")
    groups = claims.get("groups") or []
    if not isinstance(username, str) or not isinstance(groups, list):
        return None
    if not SAFE_NAME.fullmatch(username):
        return UNSAFE
    if not all(isinstance(group, str) and SAFE_GROUP.fullmatch(group) for group in groups):
        return UNSAFE
    if Quirk.ISSUERS_NAME_CLUSTER_USERS not in quirks and any(map(of_the_cluster, (username, *groups))):
        return UNSAFE
    return Identity(username, with_authenticated(tuple(groups)), expires=float(claims["exp"]))


def meant_for(claims: Mapping[str, Any], issuer: Issuer, quirks: frozenset[Quirk]) -> bool:
    """Whether the token was issued to our client (`azp`), or says at least that it is meant for it (`aud`)."""
    client = claims.get("azp")
    if client is not None:
        return bool(client == issuer.client_id)
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    return issuer.client_id in named or Quirk.CLIENT_MAY_BE_MISSING in quirks


def of_the_cluster(name: str) -> bool:
    """Whether only the cluster itself may say so of somebody. Everybody is authenticated, so that group is no claim."""
    return name.startswith(CLUSTER_PREFIX) and name != AUTHENTICATED
