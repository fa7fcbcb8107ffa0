"""Holds every other check back until the canary has sung, also where it sings in another test worker."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

POLL_S: Final = 0.02
BOUND_S: Final = 180.0
"""A canary that takes longer is stuck; the others then run, and the canary's own verdict is still to come."""

SILENT_LIMITS: Final = (
    "limits look on and enforce nothing here: the canary was never refused. Usual causes: responses carry no `usage`, "
    "another policy overrides the token limit (condition Overridden), or the limit's predicate fails to evaluate"
)


class CanaryGate:
    """A file in the run's private folder: absent while the canary runs. The session's controller opens it, workers wait for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = False

    def open(self) -> None:
        """Let the others start."""
        self._path.touch()

    def wait(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Return when the gate is open, when the session that would open it is gone, or after `BOUND_S`; `meanwhile` only if it is shut."""
        if self._seen:
            return
        parent, deadline = os.getppid(), time.monotonic() + BOUND_S
        if not self._path.exists():
            meanwhile()
        while not self._path.exists() and os.getppid() == parent and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self._seen = True
