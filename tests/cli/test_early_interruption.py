"""Ctrl-C while a run is still starting: each moment ends it in order, and nobody is shown what was being imported."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.outcome import ExitCode
from harness.platforms.lease import STATE_HOME_VARIABLE
from tests.engine.made_up import TARGET

STUCK_S = 120
LAUNCHED = f"""
import sys, types
module = types.ModuleType("harness.platforms.kind")
exec({TARGET!r}, module.__dict__)
sys.modules[module.__name__] = module
from harness.cli import main
print("here", flush=True)
main()
"""
"""The real command, the real suite and real workers; only the platform is made up, so that they are started at once."""
READS = "sys.stdin.readline"
"""What stands on the command line of a worker, whose code comes by its standard input."""


class Run:
    """A run in a session of its own, as a terminal gives it, with Ctrl-C as it is there."""

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "open"
        arguments = ["run", "--target", "kind", "--profile", "smoke", "-n", "3", "--set", f"marker={self.marker}"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHED, *arguments, "--out", str(folder / "out")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, STATE_HOME_VARIABLE: str(folder / "state")},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "here\n"

    def workers(self) -> int:
        """How many have been started."""
        count = 0
        for child in psutil.Process(self.process.pid).children():
            try:
                count += any(READS in word for word in child.cmdline())
            except psutil.Error:  # it has ended meanwhile
                continue
        return count

    def goes_on_for(self, seconds: float) -> None:
        """Let it come to another moment. Fails where it ends before."""
        with pytest.raises(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def interrupted(self) -> str:
        """Send Ctrl-C to every process of it; its standard error. Fails where it ends otherwise, or leaves a process."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGINT)
        out, err = self.process.communicate(timeout=STUCK_S)
        assert self.process.returncode == ExitCode.INVALID, out + err
        assert psutil.wait_procs(family, timeout=5)[1] == []
        assert not self.marker.exists(), "the platform was closed"
        return err

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()


@pytest.mark.parametrize("after_s", [0.3, 0.6, 0.9, 1.2, 1.5])
def test_ctrl_c_at_any_moment_of_the_start_shows_no_traceback(tmp_path: Path, after_s: float) -> None:
    run = Run(tmp_path)
    try:
        run.goes_on_for(after_s)  # the moment is what is tested: whatever goes on then has to end in order
        assert "Traceback" not in run.interrupted()
    finally:
        run.kill()


@pytest.mark.parametrize("started", [1, 2, 3])
@pytest.mark.parametrize("after_s", [0.0, 0.2])
def test_ctrl_c_while_workers_import_shows_no_traceback(tmp_path: Path, started: int, after_s: float) -> None:
    run = Run(tmp_path)
    try:
        while run.workers() < started:
            run.goes_on_for(0.002)
        run.goes_on_for(after_s)
        assert run.interrupted() == ""
    finally:
        run.kill()
