"""The instances of all tenants are told the same tenant's name: their keys lie in one place, and are each other's."""

from typing import Any

from harness.selftest.overlay import run_with
from harness.simulator.controllers.command import main
from harness.simulator.controllers.maas import workload
from harness.simulator.controllers.maas.names import DEFAULT_TENANT, Settings
from harness.simulator.controllers.runtime.manifest import Key

_environment = workload._environment


def environment(tenant: Key, gateway: Key, settings: Settings) -> list[dict[str, Any]]:
    """The real variables, but for the name."""
    found = _environment(tenant, gateway, settings)
    return [one | {"value": DEFAULT_TENANT} if one["name"] == "TENANT_NAME" else one for one in found]


if __name__ == "__main__":
    run_with(workload, "_environment", environment, main)
