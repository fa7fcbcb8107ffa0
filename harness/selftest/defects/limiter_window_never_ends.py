"""A budget that is used up stays used up."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.counters import SubscriptionClock


def now(self: SubscriptionClock, subscription: str) -> float:
    """The same instant, always."""
    return 0.0


if __name__ == "__main__":
    run_with(SubscriptionClock, "now", now, main)
