"""A key is shown in the state that was stored, whatever has become of it since: an expired one looks active."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.record import KeyRecord, Status


def effective_status(self: KeyRecord, now: int) -> Status:
    """As it was written down."""
    return self.status


if __name__ == "__main__":
    run_with(KeyRecord, "effective_status", effective_status, main)
