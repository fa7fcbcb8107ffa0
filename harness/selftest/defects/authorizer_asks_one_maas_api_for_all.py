"""Whatever gateway a request came by, the default tenant's management API is asked: its keys are good everywhere, others nowhere."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.instances import Instances
from harness.simulator.gateway.plan.gatewayapi import Key


def url(self: Instances, gateway: Key) -> str:
    """Always the same."""
    return self._default_url


if __name__ == "__main__":
    run_with(Instances, "_url", url, main)
