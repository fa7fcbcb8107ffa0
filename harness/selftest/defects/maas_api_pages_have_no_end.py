"""A search gives as many keys as are asked for, however many that are."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api import keys_api
from harness.simulator.maas_api.__main__ import main

if __name__ == "__main__":
    run_with(keys_api, "_LARGEST_PAGE", 1 << 30, main)
