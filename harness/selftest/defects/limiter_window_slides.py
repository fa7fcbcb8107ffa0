"""Every charge opens the window anew: whoever goes on spending never gets the budget back."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.counters import Counter, Counters

_charge = Counters.charge


def charge(self: Counters, counter: Counter, amount: int) -> None:
    """Charge, and put the end off."""
    _charge(self, counter, amount)
    window = self._windows[counter.key]
    window.expires = self._clock.now(counter.subscription) + counter.limit.seconds


if __name__ == "__main__":
    run_with(Counters, "charge", charge, main)
