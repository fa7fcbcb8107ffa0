"""Quota and access can be written into any namespace, also one that is nobody's tenant."""

from harness.selftest.overlay import run_with
from harness.simulator.controllers.command import main
from harness.simulator.controllers.maas.admission import Admission


async def placement(self: Admission, namespace: str) -> str:
    """Nothing stands against it."""
    return ""


if __name__ == "__main__":
    run_with(Admission, "_placement", placement, main)
