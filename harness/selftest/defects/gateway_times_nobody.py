"""The gateway's durations name no subscription."""

from typing import Any

from harness.selftest.overlay import run_with
from harness.simulator.exposition import Labels
from harness.simulator.gateway import latency
from harness.simulator.gateway.__main__ import main
from harness.simulator.gateway.latency import labels_of


def anonymous(entry: dict[str, Any]) -> Labels:
    """The labels of a request that nobody paid for."""
    return labels_of({**entry, "subscription": None})


if __name__ == "__main__":
    run_with(latency, "labels_of", anonymous, main)
