"""Which credential a request carries, and who it belongs to.

The prefix decides, exactly and case-sensitively as on the stack: `Bearer sk-oai-` is an API key (unknown ones are 403, because the
form alone counts as authenticated), any other `Bearer ` value is a token (unknown ones are 401), everything else is no credential.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from harness.simulator.gateway.authorizer.cache import AnswerCache, Fresh
from harness.simulator.gateway.authorizer.decision import DENIED, UNAUTHENTICATED, Identity, Refusal

KEY_PREFIX = "sk-oai-"
AUTHENTICATED = "system:authenticated"


class KeyValidator(Protocol):
    """Knows API keys."""

    async def validate(self, key: str) -> Identity | None:
        """The caller a key stands for, None for a key that is unknown, revoked or expired. Raises UnavailableError."""


class TokenReviewer(Protocol):
    """Knows tokens of the cluster."""

    async def review(self, token: str) -> Identity | None:
        """The caller a token stands for, None for one that is not authenticated for this audience. Raises UnavailableError."""


class JwtVerifier(Protocol):
    """Knows tokens of OIDC issuers."""

    async def identify(self, token: str) -> Identity | Refusal | None:
        """The caller, a refusal, or None where another source should decide. Raises UnavailableError."""


def digest(secret: str) -> bytes:
    """What a credential is remembered under, so that memory holds no credential longer than the request."""
    return hashlib.blake2b(secret.encode(), digest_size=24).digest()


class Credentials:
    """Identities from API keys, then from OIDC issuers, then from the cluster; each answer is remembered for the documented bound."""

    def __init__(
        self,
        keys: KeyValidator,
        tokens: TokenReviewer,
        ttl: float,
        jwts: JwtVerifier | None = None,
        key_header: Callable[[], bool] = lambda: False,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._jwts = jwts
        self._key_header = key_header
        self._cache: AnswerCache[Identity | Refusal] = AnswerCache(ttl)

    async def identify(self, headers: Mapping[str, str]) -> Fresh[Identity | Refusal]:
        """See IdentitySource. `x-api-key` counts where `key_header` says so, and only without an Authorization header."""
        value = headers.get("authorization", "")
        scheme, _, credential = value.partition(" ")
        if not value and headers.get("x-api-key", "").startswith(KEY_PREFIX) and self._key_header():
            scheme, credential = "Bearer", headers["x-api-key"]
        if scheme != "Bearer" or not credential.strip():
            return Fresh(UNAUTHENTICATED, 0.0)
        if credential.startswith(KEY_PREFIX):
            return await self._cache.get(digest(credential), lambda: self._by_key(credential))
        return until_it_expires(await self._cache.get(digest(credential), lambda: self._by_token(credential)))

    async def _by_key(self, key: str) -> Identity | Refusal:
        return await self._keys.validate(key) or DENIED

    async def _by_token(self, token: str) -> Identity | Refusal:
        if self._jwts is not None and (found := await self._jwts.identify(token)) is not None:
            return found
        return await self._tokens.review(token) or UNAUTHENTICATED


def until_it_expires(answer: Fresh[Identity | Refusal]) -> Fresh[Identity | Refusal]:
    """The answer, repeated no longer than the token lasts that it was given for."""
    identity = answer.value
    if isinstance(identity, Refusal) or identity.expires is None:
        return answer
    left = identity.expires - time.time()
    if left <= 0:
        return Fresh(UNAUTHENTICATED, 0.0)
    return Fresh(identity, min(answer.until, time.monotonic() + left))


def with_authenticated(groups: tuple[str, ...]) -> tuple[str, ...]:
    """Every token identity belongs to `system:authenticated`, first in the list."""
    return (AUTHENTICATED, *(group for group in groups if group != AUTHENTICATED))
