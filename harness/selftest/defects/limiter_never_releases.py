"""Tokens that were held for a request stay held when it has ended."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.holds import Holds


def release(self: Holds, request: str) -> None:
    """Keep the hold."""


if __name__ == "__main__":
    run_with(Holds, "release", release, main)
