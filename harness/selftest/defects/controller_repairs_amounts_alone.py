"""Of what somebody edits in a limit only its rates are put right: without its condition it holds for nobody."""

from collections.abc import Collection, Mapping
from typing import Any

from harness.selftest.overlay import run_with
from harness.simulator.controllers.command import main
from harness.simulator.controllers.runtime import cluster, difference
from harness.simulator.controllers.runtime.manifest import Manifest

_replacement = difference.replacement


def replacement(live: Manifest, desired: Manifest, closed: Collection[str] = ()) -> Manifest | None:
    """The object to write, unless it is a limit policy whose rates are as they should be."""
    if live.get("kind") == "TokenRateLimitPolicy" and rates(live) == rates(desired):
        return None
    return _replacement(live, desired, closed)


def rates(policy: Manifest) -> Mapping[str, Any]:
    """The rates of each limit."""
    return {name: limit.get("rates") for name, limit in policy["spec"].get("limits", {}).items()}


if __name__ == "__main__":
    run_with(cluster, "replacement", replacement, main)
