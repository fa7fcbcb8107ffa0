"""Whoever calls with a key is told apart by the key: a user has as many budgets as keys."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.decision import Authorizer, Identity
from harness.simulator.gateway.authorizer.request import AccessRequest

_metadata = Authorizer._metadata


def metadata(self: Authorizer, request: AccessRequest, identity: Identity) -> dict[str, str | tuple[str, ...]]:
    """What is known of the caller, the key's id in place of the user's name."""
    known = _metadata(self, request, identity)
    return known | {"userid": known.get("key_id", known["userid"])}


if __name__ == "__main__":
    run_with(Authorizer, "_metadata", metadata, main)
