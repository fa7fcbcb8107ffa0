"""Ctrl-C during a self-test: the run that it started takes its platform down first, however long that takes."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import pathlib, sys, threading
folder = pathlib.Path(sys.argv[1])
try:
    (folder / "up").touch()
    threading.Event().wait()
except KeyboardInterrupt:
    threading.Event().wait(1)  # more than the quarter of a second that the standard library grants before it kills
    (folder / "down").touch()
    sys.exit(5)
"""
PARENT = """
import sys
from harness.selftest.trial import to_its_end
to_its_end([sys.executable, "-c", sys.argv[1], sys.argv[2]])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_run_is_told_and_waited_for(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD, str(tmp_path)], stderr=subprocess.PIPE) as parent:
        while not (tmp_path / "up").exists():
            assert parent.poll() is None
        parent.send_signal(number)
        parent.communicate(timeout=60)
    assert parent.returncode != 0
    assert (tmp_path / "down").exists()
