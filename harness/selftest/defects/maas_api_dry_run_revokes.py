"""A dry run of a bulk revocation revokes."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.store import KeyStore

if __name__ == "__main__":
    run_with(KeyStore, "count", KeyStore.revoke_all, main)
