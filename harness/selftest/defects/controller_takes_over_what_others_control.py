"""What the controller declares it replaces, whoever controls it: two controllers undo each other's work for ever."""

from harness.selftest.overlay import run_with
from harness.simulator.controllers.command import main
from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.kind import Kind
from harness.simulator.controllers.runtime.manifest import Manifest


async def declare(self: Cluster, kind: Kind, desired: Manifest, manager: str) -> Manifest:
    """An update, as of a policy."""
    return await self.apply(kind, desired)


if __name__ == "__main__":
    run_with(Cluster, "declare", declare, main)
