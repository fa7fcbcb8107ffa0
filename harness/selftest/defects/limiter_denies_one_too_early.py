"""A check refuses at used == limit - 1: the last token buys nothing."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.counters import Counter, Counters

_used = Counters.used


def used(self: Counters, counter: Counter) -> int:
    """One more than was used, in a window that is open."""
    known = _used(self, counter)
    return known + 1 if known else 0


if __name__ == "__main__":
    run_with(Counters, "used", used, main)
