"""The product's command line as a person types it: a process of its own, with nothing of this machine's configuration."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

STRANGE: Final = ("MAAS_", "PYTEST_", "KUBECONFIG")
"""What these variables say must not decide what a test sees."""
STUCK_S: Final = 300
"""No command takes as long, however busy the machine is."""


def maas(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in a folder; raises TimeoutExpired where there is none."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(STRANGE)}
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=STUCK_S,
        check=False,
    )
