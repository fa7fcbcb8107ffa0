"""Ctrl-C during a self-test: the runs that it started take their platforms down first, however long that takes, and no other begins."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.selftest.processes import Processes, side_by_side

CHILD = """
import pathlib, signal, sys, threading
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def told(number, frame):
    raise KeyboardInterrupt
signal.signal(signal.SIGTERM, told)
try:
    (folder / f"up-{name}").touch()
    threading.Event().wait()
except KeyboardInterrupt:
    threading.Event().wait(1)  # more than the quarter of a second that the standard library grants before it kills
    (folder / f"down-{name}").touch()
    sys.exit(5)
"""
PARENT = """
import sys
from harness.selftest.processes import side_by_side
def work(name, processes):
    return processes.run([sys.executable, "-c", sys.argv[1], sys.argv[2], name])
list(side_by_side(["a", "b", "c"], work, at_once=2))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_runs_are_told_and_waited_for(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD, str(tmp_path)], stderr=subprocess.PIPE) as parent:
        while len(list(tmp_path.glob("up-*"))) < 2:
            assert parent.poll() is None
        parent.send_signal(number)
        parent.communicate(timeout=60)
    assert parent.returncode != 0
    assert {path.name for path in tmp_path.iterdir()} == {"up-a", "up-b", "down-a", "down-b"}


def test_what_is_told_to_end_starts_nothing_more() -> None:
    processes = Processes()
    processes.end()
    with pytest.raises(KeyboardInterrupt):
        processes.run([sys.executable, "-c", "raise SystemExit('it ran')"])


def test_a_command_says_what_it_said() -> None:
    done = Processes().run(
        [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"]
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_as_many_run_at_once_as_may_and_results_come_as_they_are_ready() -> None:
    """The first job ends after the second, so it cannot be waited for; with a third at the same time the barrier would break."""
    second_ended = threading.Event()
    both = threading.Barrier(2)

    def work(name: str, processes: Processes) -> str:
        if name in ("first", "second"):
            both.wait(timeout=30)
        if name == "first":
            assert second_ended.wait(timeout=30)
        return name

    came = []
    for name in side_by_side(["first", "second"], work, at_once=2):
        came.append(name)
        second_ended.set()
    assert came == ["second", "first"]


def test_a_job_that_breaks_ends_the_others() -> None:
    def work(name: str, processes: Processes) -> str:
        if name == "breaks":
            raise ValueError("a fault of the self-test")
        processes.run([sys.executable, "-c", "import threading; threading.Event().wait()"])
        return name

    with pytest.raises(ValueError, match="a fault of the self-test"):
        list(side_by_side(["waits", "breaks"], work, at_once=2))
