"""A client may say who it is: identity headers that it sends are no reason to refuse."""

from dataclasses import replace

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.cache import Fresh
from harness.simulator.gateway.authorizer.decision import GROUP, USERNAME, Authorizer, Decision
from harness.simulator.gateway.authorizer.request import AccessRequest

_decide = Authorizer.decide


async def decide(self: Authorizer, request: AccessRequest) -> Fresh[Decision]:
    """Look away from the headers that ought to be refused."""
    harmless = {name: value for name, value in request.headers.items() if name not in (USERNAME, GROUP)}
    return await _decide(self, replace(request, headers=harmless))


if __name__ == "__main__":
    run_with(Authorizer, "decide", decide, main)
