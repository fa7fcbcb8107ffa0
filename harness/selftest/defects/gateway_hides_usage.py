"""Usage is cut out of every stream that did not ask for it, also where it is a part of the protocol: responses lose theirs."""

from harness.selftest.overlay import edited, run_with
from harness.simulator.gateway.__main__ import main
from harness.simulator.gateway.envoy_config import filters

_script = filters.usage_script
EXEMPTION = ' or path_ends(handle, "/v1/responses$")'


def usage_script() -> str:
    """The real script without its exemption."""
    return edited(_script(), EXEMPTION, "")


if __name__ == "__main__":
    run_with(filters, "usage_script", usage_script, main)
