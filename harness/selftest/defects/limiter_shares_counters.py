"""All users of a subscription draw from one budget."""

from dataclasses import replace

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter import admission
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.admission import counter_of
from harness.simulator.gateway.limiter.counters import Counter
from harness.simulator.gateway.limiter.limits import Limit
from harness.simulator.gateway.predicate import Facts


def shared(limit: Limit, facts: Facts) -> Counter | None:
    """The counter without what tells users apart."""
    own = counter_of(limit, facts)
    return None if own is None else replace(own, values=())


if __name__ == "__main__":
    run_with(admission, "counter_of", shared, main)
