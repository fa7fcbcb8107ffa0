"""What was overdrawn in one window is taken from the next."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.counters import Counter, Counters

_used = Counters.used


def used(self: Counters, counter: Counter) -> int:
    """What was used, and in a new window what the last one had too much."""
    window = self._windows.get(counter.key)
    if window is not None and window.expires <= self._clock.now(counter.subscription):
        return max(0, window.used - counter.limit.max_value)
    return _used(self, counter)


if __name__ == "__main__":
    run_with(Counters, "used", used, main)
