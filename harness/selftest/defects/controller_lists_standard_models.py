"""A model of the standard gateway is taken for one of MaaS and offered to everyone who subscribes."""

from harness.selftest.overlay import run_with
from harness.simulator.controllers.command import main
from harness.simulator.controllers.maas import backend
from harness.simulator.controllers.runtime.manifest import Key, Manifest


def references(route: Manifest, gateway: Key) -> bool:
    """Every route leads to the MaaS gateway."""
    return True


if __name__ == "__main__":
    run_with(backend, "references", references, main)
