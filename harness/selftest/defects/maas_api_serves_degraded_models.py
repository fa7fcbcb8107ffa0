"""A model whose limits are not in force is served all the same, because its subscription serves others."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api import selection
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.entities import Model, Subscription


def limits_in_force(subscription: Subscription, model: Model | None) -> bool:
    """Always."""
    return True


if __name__ == "__main__":
    run_with(selection, "_limits_in_force", limits_in_force, main)
