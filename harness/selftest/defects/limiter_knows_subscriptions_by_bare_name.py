"""Budgets are kept by the subscription's name without its namespace: a tenant's namesake draws from another tenant's."""

import re
from dataclasses import replace
from typing import Final

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter import admission
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.admission import counter_of
from harness.simulator.gateway.limiter.counters import Counter
from harness.simulator.gateway.limiter.limits import Limit
from harness.simulator.gateway.predicate import Facts

CHOSEN: Final = re.compile(r'selected_subscription_key == "[^/"]+/([^@"]+)@')


def by_name(limit: Limit, facts: Facts) -> Counter | None:
    """The counter of whatever subscription has that name."""
    own, found = counter_of(limit, facts), CHOSEN.search(" ".join(limit.conditions))
    if own is None or found is None:
        return own
    return replace(own, limit=replace(limit, domain="", policy="", name=found[1]))


if __name__ == "__main__":
    run_with(admission, "counter_of", by_name, main)
