"""Who has shown no credential is forbidden instead of unauthorized: clients never learn that they should log in."""

from harness.selftest.overlay import run_with
from harness.simulator.gateway.authorizer import credentials
from harness.simulator.gateway.authorizer.__main__ import main
from harness.simulator.gateway.authorizer.decision import DENIED

if __name__ == "__main__":
    run_with(credentials, "UNAUTHENTICATED", DENIED, main)
