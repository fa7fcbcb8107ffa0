"""Identity headers that a client wrote reach the model server."""

from dataclasses import replace

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.cache import Fresh
from harness.simulator.gateway.authorizer.decision import CREDENTIAL_HEADERS, Admission, Authorizer, Decision, Identity
from harness.simulator.gateway.authorizer.request import AccessRequest

_inference = Authorizer._inference


async def inference(self: Authorizer, request: AccessRequest, identity: Identity, until: float) -> Fresh[Decision]:
    """The real decision, which hides credentials alone."""
    decision = await _inference(self, request, identity, until)
    if not isinstance(decision.value, Admission):
        return decision
    return Fresh(replace(decision.value, remove_headers=CREDENTIAL_HEADERS), decision.until)


if __name__ == "__main__":
    run_with(Authorizer, "_inference", inference, main)
