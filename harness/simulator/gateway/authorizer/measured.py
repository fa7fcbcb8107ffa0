"""The authorizer's sources of identity, each evaluation counted and timed as the rule of the AuthPolicy that it stands for."""

from dataclasses import dataclass

from harness.simulator.gateway.authorizer.credentials import JwtVerifier, KeyValidator, TokenReviewer
from harness.simulator.gateway.authorizer.decision import Identity, Refusal
from harness.simulator.gateway.authorizer.metrics import Rules
from harness.simulator.gateway.authorizer.oidc import ANOTHERS, UNSAFE


@dataclass(frozen=True, slots=True)
class MeasuredKeys:
    """API keys."""

    keys: KeyValidator
    rules: Rules

    async def validate(self, key: str) -> Identity | None:
        """See KeyValidator."""
        with self.rules.evaluating("api-keys"), self.rules.evaluating("apiKeyValidation"):
            found = await self.keys.validate(key)
        with self.rules.evaluating("auth-valid"):
            if found is None:
                self.rules.denied("auth-valid")
        return found


@dataclass(frozen=True, slots=True)
class MeasuredTokens:
    """Tokens of the cluster."""

    tokens: TokenReviewer
    rules: Rules

    async def review(self, token: str) -> Identity | None:
        """See TokenReviewer."""
        with self.rules.evaluating("openshift-identities"):
            return await self.tokens.review(token)


@dataclass(frozen=True, slots=True)
class MeasuredJwts:
    """Tokens of the gateway's issuer."""

    jwts: JwtVerifier
    rules: Rules

    async def identify(self, token: str) -> Identity | Refusal | None:
        """See JwtVerifier."""
        with self.rules.evaluating("oidc-identities"):
            found = await self.jwts.identify(token)
        if found is None:
            return None
        for rule, refusal in (("oidc-client-bound", ANOTHERS), ("oidc-groups-safe", UNSAFE)):
            with self.rules.evaluating(rule):
                if found is refusal:
                    self.rules.denied(rule)
        return found
