"""Token metrics carry every label, users among them, whatever a tenant has switched off."""

from collections.abc import Mapping

from harness.selftest.overlay import run_with
from harness.simulator.gateway.limiter.__main__ import main
from harness.simulator.gateway.limiter.metrics import TokenMetrics


def label(self: TokenMetrics, labels: Mapping[str, Mapping[str, str]] | None) -> None:
    """Leave the labels as they are: all that is known of a call."""


if __name__ == "__main__":
    run_with(TokenMetrics, "label", label, main)
