"""The authorizer says 403 to everyone: a suite of negative checks without a control would call it perfect."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.cache import Fresh
from harness.simulator.gateway.authorizer.decision import DENIED, Authorizer, Decision
from harness.simulator.gateway.authorizer.request import AccessRequest


async def decide(self: Authorizer, request: AccessRequest) -> Fresh[Decision]:
    """No, whoever asks for whatever."""
    return Fresh(DENIED, 0.0)


if __name__ == "__main__":
    run_with(Authorizer, "decide", decide, main)
