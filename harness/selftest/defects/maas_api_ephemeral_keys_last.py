"""An ephemeral key lives two hours, twice as long as is promised."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api import minting
from harness.simulator.maas_api.__main__ import main

if __name__ == "__main__":
    run_with(minting, "EPHEMERAL_S", 2 * minting.EPHEMERAL_S, main)
