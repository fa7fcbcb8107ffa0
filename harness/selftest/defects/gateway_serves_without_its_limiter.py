"""Without an answer from the limiter every request is let through: an outage is a free lunch."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.__main__ import main
from harness.simulator.gateway.envoy_config import filters
from harness.simulator.gateway.envoy_config.typed import JSON

_usual = filters.rate_limit


def open_door(guarding: filters.Guarding) -> JSON:
    """The filter in the usual place, which takes silence for consent."""
    made = _usual(guarding)
    made["typed_config"]["failure_mode_deny"] = False
    return made


if __name__ == "__main__":
    run_with(filters, "rate_limit", open_door, main)
