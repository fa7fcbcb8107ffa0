"""A model is governed, and Ready, once somebody may enter: that nobody has quota for it is not looked at."""

from harness.selftest.overlay import run_with
from harness.simulator.controllers.command import main
from harness.simulator.controllers.maas import modelstatus, reconciler_model
from harness.simulator.controllers.runtime.condition import Condition
from harness.simulator.controllers.runtime.manifest import Manifest

_governance = modelstatus.governance


def governance(model: Manifest, subscribed: bool, granted: bool) -> Condition:
    """Access counts for both."""
    return _governance(model, granted, granted)


if __name__ == "__main__":
    run_with(reconciler_model, "governance", governance, main)
