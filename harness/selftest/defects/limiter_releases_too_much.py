"""The end of one request frees what all others hold."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.holds import Holds


def release(self: Holds, request: str) -> None:
    """End every hold."""
    self._by_request.clear()
    self._order.clear()
    self._held.clear()


if __name__ == "__main__":
    run_with(Holds, "release", release, main)
