"""`python -m harness.simulator.kubelet`."""

from harness.simulator.kubelet.command import main

main()
