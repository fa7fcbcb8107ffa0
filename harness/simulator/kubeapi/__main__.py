"""`python -m harness.simulator.kubeapi`: the embedded Kubernetes API server as a process."""

import sys

from harness.simulator.kubeapi.command import main

if __name__ == "__main__":
    sys.exit(main())
