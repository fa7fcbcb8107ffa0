"""The authorizer never says no: whatever it refuses is admitted under a made-up identity."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.cache import Fresh
from harness.simulator.gateway.authorizer.decision import Admission, Authorizer, Decision, Refusal
from harness.simulator.gateway.authorizer.request import AccessRequest

_decide = Authorizer.decide


async def decide(self: Authorizer, request: AccessRequest) -> Fresh[Decision]:
    """The real decision, with every refusal turned into a pass."""
    decision = await _decide(self, request)
    if not isinstance(decision.value, Refusal):
        return decision
    anyone = {"userid": "anyone", "username": "anyone", "request_path": request.bare_path}
    return Fresh(Admission(anyone, {"X-MaaS-Username": "anyone", "X-MaaS-Group": "[]"}), decision.until)


if __name__ == "__main__":
    run_with(Authorizer, "decide", decide, main)
