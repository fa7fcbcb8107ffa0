"""Which model is meant is read from a header that the client may send: whoever names a model of their own gets any."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.request import AccessRequest

_requested_model = AccessRequest.requested_model


def requested_model(self: AccessRequest) -> str:
    """What the header says, where there is one."""
    return self.headers.get("x-gateway-model-name") or _requested_model(self)


if __name__ == "__main__":
    run_with(AccessRequest, "requested_model", requested_model, main)
