"""A tenant is deleted without its keys: who makes one of the same name anew lets their bearers in."""

from harness.selftest.overlay import run_with
from harness.simulator.controllers.command import main
from harness.simulator.controllers.maas.retirement import Retirement
from harness.simulator.controllers.runtime.manifest import Manifest


async def revoked(self: Retirement, tenant: Manifest) -> tuple[bool, str]:
    """Says so, and has done nothing."""
    return True, ""


if __name__ == "__main__":
    run_with(Retirement, "_revoked", revoked, main)
