"""Two runs of the same configuration say the same on different machines: their reports differ in provenance and times alone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.reporting.quick_yaml import load_yaml
from harness.reporting.sameness import SAME, differences
from tests.command_line import STRANGE, STUCK_S, maas

SELECTION: Final = ("--profile", "smoke", "--area", "model-listing", "-q", "--seed", "7")
ANOTHER_NAME: Final = "another-machine"
NAMESPACES: Final = (
    "unshare",
    "--map-root-user",
    "--uts",
    "--ipc",
    "--net",
    "--pid",
    "--mount",
    "--fork",
    "--mount-proc",
    "--kill-child",
)
ENTERING: Final = f'hostname {ANOTHER_NAME} && ip link set lo up && umask 077 && exec "$@"'
ANOTHER_ENVIRONMENT: Final = {"TZ": "Asia/Kolkata", "LC_ALL": "C", "PYTHONHASHSEED": "12345", "USER": "somebody"}


def another_machine() -> tuple[str, ...]:
    """What makes a command run under another host name, in networks, processes and mounts of its own; nothing where that is not allowed."""
    words = (*NAMESPACES, "sh", "-c", ENTERING, "sh")
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return ()
    tried = subprocess.run([*words, "true"], capture_output=True, check=False, timeout=STUCK_S)
    return words if tried.returncode == 0 else ()


def elsewhere(folder: Path, *arguments: str) -> None:
    """The same as another user would run it on another machine, with another number of workers."""
    home = folder / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith((*STRANGE, "XDG_"))}
    done = subprocess.run(
        [*another_machine(), sys.executable, "-m", "harness", "run", *SELECTION, *arguments, "-n", "1"],
        cwd=home,
        env={**kept, **ANOTHER_ENVIRONMENT, "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=STUCK_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same checks here, and as far from here as can be had."""
    folder = tmp_path_factory.mktemp("twice")
    state = {STATE_HOME_VARIABLE: str(folder / "state")}
    done = maas("run", *SELECTION, "-n", "2", "--out", "one", cwd=folder, **state)
    assert done.returncode == 0, done.stdout + done.stderr
    elsewhere(folder, "--out", str(folder / "two"))
    return folder / "one", folder / "two"


def test_the_reports_differ_in_provenance_and_times_alone(runs: tuple[Path, Path]) -> None:
    assert [str(difference) for difference in differences(*runs)] == []
    told = maas("diff", "--same", *map(str, runs), cwd=runs[0].parent)
    assert (told.returncode, told.stdout) == (0, f"{SAME}\n")


def test_they_are_reports_of_two_conformant_runs(runs: tuple[Path, Path]) -> None:
    reports = [load_yaml((folder / "report.yaml").read_bytes()) for folder in runs]
    assert len({report["run"]["id"] for report in reports}) == 2
    assert all(report["result"]["conformant"] and len(report["checks"]) > 3 for report in reports)


def test_nothing_in_the_report_names_the_machine(runs: tuple[Path, Path]) -> None:
    """Nor the addresses of a platform that the run itself started: its ports are other ones every time."""
    for folder, host in zip(runs, (os.uname().nodename, ANOTHER_NAME), strict=True):
        text = (folder / "report.yaml").read_text(encoding="utf-8")
        assert not re.search(r"127\.0\.0\.1:\d+", text)
        assert host not in text.replace(str(folder.parent), "")
