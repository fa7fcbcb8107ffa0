"""An edited amount begins with nothing used, so whoever may edit a limit has no limit."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.counters import Counter, Counters

_used = Counters.used
_amounts: dict[object, int] = {}


def used(self: Counters, counter: Counter) -> int:
    """What was used, unless the amount is another than it was."""
    if _amounts.setdefault(counter.key, counter.limit.max_value) != counter.limit.max_value:
        _amounts[counter.key] = counter.limit.max_value
        self._windows.pop(counter.key, None)
    return _used(self, counter)


if __name__ == "__main__":
    run_with(Counters, "used", used, main)
