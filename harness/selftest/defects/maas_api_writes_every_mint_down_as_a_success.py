"""The series of mints counts requests, whatever came of them: dashboards show no refusal."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.metrics import Metrics

_minted = Metrics.minted


def minted(self: Metrics, result: str) -> None:
    """A success."""
    _minted(self, "success")


if __name__ == "__main__":
    run_with(Metrics, "minted", minted, main)
