"""A check lets pass at used == limit: one request more than was promised."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.counters import Counter, Counters

_used = Counters.used


def used(self: Counters, counter: Counter) -> int:
    """One less than was used, so that `>=` acts as `>`."""
    return max(0, _used(self, counter) - 1)


if __name__ == "__main__":
    run_with(Counters, "used", used, main)
