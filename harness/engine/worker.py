"""A test worker's end of a run: it judges the platform that the controller opened."""

import gc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.client.secret import revealed
from harness.engine.alone import AloneTurn
from harness.engine.canary import CanaryGate
from harness.engine.interruption import Interruption
from harness.engine.journal import JournalPart
from harness.engine.mishaps import SECRETS_KEY
from harness.platforms.launcher import YOUNG
from harness.platforms.platform import Platform


@dataclass(frozen=True, slots=True)
class WorkerInput:
    """What `Control.worker_input` sent."""

    platform: Platform
    part: JournalPart
    run_id: str
    gate: CanaryGate
    alone: AloneTurn
    pid_file: Path
    writes_plan: bool

    @classmethod
    def read(cls, given: dict[str, Any], worker: str) -> "WorkerInput":
        """Open this worker's part of the journal and load the platform."""
        return cls(
            platform=Platform.load(Path(given["platform"])),
            part=JournalPart(Path(given["out"]), worker),
            run_id=given["run_id"],
            gate=CanaryGate(Path(given["gate"])),
            alone=AloneTurn(Path(given["pids"])),
            pid_file=Path(given["pids"]) / f"{worker}.pid",
            writes_plan=worker == "gw0",
        )


class Worker:
    """A pytest plugin of every xdist worker: lets the controller stop it in order, and hands over what it revealed."""

    def __init__(self, given: WorkerInput) -> None:
        self._given = given
        self._interruption = Interruption()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Announce the process, so that an interrupted run can ask it to tear its worlds down: from here on, pytest ends in order."""
        self._interruption.arm()
        self._given.pid_file.write_text(str(os.getpid()), encoding="ascii")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """Modules and checks stay to the end: garbage collections need not look at them again, nor come as often as in a small program."""
        gc.freeze()
        gc.set_threshold(YOUNG)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over what the final scan has to look for; fixtures have been torn down by now."""
        output: dict[str, Any] = getattr(session.config, "workeroutput", {})
        output[SECRETS_KEY] = sorted(revealed())
        self._given.pid_file.unlink(missing_ok=True)
        self._given.part.close()
