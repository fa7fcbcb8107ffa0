"""Of several rates of one limit the first counts alone: whoever has a budget for the minute has none for the day."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter import limits
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.limits import Limit, LimitSpec

_first_of_each = limits.first_of_each


def first_of_each(domain: str, specs: list[LimitSpec]) -> list[Limit]:
    """One limit for each name."""
    found: dict[tuple[str, str], Limit] = {}
    for limit in _first_of_each(domain, specs):
        found.setdefault((limit.policy, limit.name), limit)
    return list(found.values())


if __name__ == "__main__":
    run_with(limits, "first_of_each", first_of_each, main)
