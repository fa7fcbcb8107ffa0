"""Whoever has a credential may read, find and revoke the keys of others."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.administrators import Administrators
from harness.simulator.maas_api.identity import Caller


async def include(self: Administrators, caller: Caller) -> bool:
    """Always."""
    return True


if __name__ == "__main__":
    run_with(Administrators, "include", include, main)
