"""A subscription serves in whatever phase it is, and while it is being deleted."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.entities import Subscription


def serves(self: Subscription) -> bool:
    """Its phase says nothing."""
    return True


if __name__ == "__main__":
    run_with(Subscription, "serves", property(serves), main)
