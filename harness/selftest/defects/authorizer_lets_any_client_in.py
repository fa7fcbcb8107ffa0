"""A token counts for whichever client it was issued, and whatever its groups are called."""

from collections.abc import Mapping
from typing import Any

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer import oidc
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.credentials import with_authenticated
from harness.simulator.gateway.authorizer.decision import Identity, Refusal
from harness.simulator.gateway.authorizer.oidc import Issuer
from harness.simulator.gateway.authorizer.quirks import Quirk


def caller(
    claims: Mapping[str, Any], issuer: Issuer, quirks: frozenset[Quirk] = frozenset()
) -> Identity | Refusal | None:
    """Whoever the token names, without a question."""
    groups = tuple(str(group) for group in claims.get("groups") or ())
    return Identity(str(claims.get("preferred_username") or claims["sub"]), with_authenticated(groups))


if __name__ == "__main__":
    run_with(oidc, "caller", caller, main)
