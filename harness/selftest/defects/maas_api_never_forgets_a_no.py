"""Who was no administrator once never becomes one: the answer is remembered for good."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api import administrators
from harness.simulator.maas_api.__main__ import main

FOR_GOOD_S = 1e9

if __name__ == "__main__":
    run_with(administrators, "NO_S", FOR_GOOD_S, main)
