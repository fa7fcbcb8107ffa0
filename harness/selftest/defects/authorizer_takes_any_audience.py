"""A token of the cluster counts whomever it was issued for: what one service was shown, it can spend here."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.decision import Identity
from harness.simulator.gateway.authorizer.oidc import unverified
from harness.simulator.gateway.authorizer.tokens import ClusterTokens

_review = ClusterTokens.review


async def review(self: ClusterTokens, token: str) -> Identity | None:
    """The real review, for the audience that the token itself names."""
    parts = token.split(".")
    named = unverified(parts[1]).get("aud") if len(parts) == 3 else None
    audience = named[0] if isinstance(named, list) and named else self._audience
    return await _review(ClusterTokens(self._client, str(audience)), token)


if __name__ == "__main__":
    run_with(ClusterTokens, "review", review, main)
