"""A platform that outlives the command that started it: one process more, which owns it as a terminal's owner would."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from harness.outcome import EnvironmentFault, ExitCode, Fault, HarnessFault, InvalidRun, UsageFault
from harness.platforms.remains import RunRecord, live_runs, sweep, sweep_dead_runs

STOP_BOUND_S: Final = 5.0
_STARTER: Final = "from harness.cli import main; main()"
_FAULTS: Final[Mapping[int, type[Fault]]] = {
    ExitCode.USAGE: UsageFault,
    ExitCode.ENVIRONMENT: EnvironmentFault,
    ExitCode.INVALID: InvalidRun,
}
_ANNOUNCEMENT: Final = "up.json"
"""In the private folder of a run: it was started by `up --detach`, and this is what it announced."""
_HELD: Final = "held-by-up"
"""In the private folder of a run: `up` holds it open for people, with --detach or without."""


def start_detached(arguments: Sequence[str]) -> dict[str, Any]:
    """Run the command line with these arguments in a session of its own; returns what it announced once it is ready.

    Its progress and its faults go to this terminal until then. Raises a Fault of the same exit code when it fails.
    """
    owner = subprocess.Popen(
        [sys.executable, "-c", _STARTER, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert owner.stdout is not None
    try:
        line = owner.stdout.readline()
    except BaseException:
        owner.send_signal(signal.SIGTERM)
        owner.wait()
        raise
    if not line:
        fault = _FAULTS.get(owner.wait(), HarnessFault)
        raise fault("the platform did not start; the reason is above")
    announced: dict[str, Any] = json.loads(line)
    return announced


def hold() -> RunRecord:
    """Note that this process holds its platform open for people: what stops components takes no other by itself."""
    mine = next(run for run in live_runs() if run.supervisor.pid == os.getpid())
    (mine.folder / "state" / _HELD).touch(mode=0o600)
    return mine


def held_runs() -> list[RunRecord]:
    """Live platforms that `up` holds open, newest first."""
    return [run for run in live_runs() if (run.folder / "state" / _HELD).exists()]


def hand_over(mine: RunRecord, shown: Mapping[str, Any]) -> None:
    """Announce to the waiting command, then let go of its terminal: what follows goes to a log file."""
    announcement = _announcement(mine)
    announcement.touch(mode=0o600)
    announcement.write_text(json.dumps(shown), encoding="utf-8")
    log = os.open(mine.folder / "logs" / "up.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sys.stdout.write(json.dumps(shown) + "\n")
    sys.stdout.flush()
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)


def _announcement(run: RunRecord) -> Path:
    return run.folder / "state" / _ANNOUNCEMENT


def detached_runs() -> list[RunRecord]:
    """Live platforms that `up --detach` started, newest first."""
    return [run for run in live_runs() if _announcement(run).exists()]


def stop_detached(run: RunRecord) -> tuple[str, ...]:
    """Ask the owner to end, which removes everything; returns the processes that had to be ended by force."""
    owner = run.supervisor.process()
    if owner is None:
        return tuple(name for swept in sweep_dead_runs() for name in swept.processes)
    owner.terminate()
    try:
        owner.wait(STOP_BOUND_S)
    except psutil.TimeoutExpired:
        owner.kill()
        owner.wait(1.0)
        return (f"{run.supervisor.name} ({run.supervisor.pid})", *sweep(run).processes)
    return ()
