"""`python -m harness.simulator.controllers`."""

from harness.simulator.controllers.command import main

main()
