"""Two runs of the same configuration say the same: their reports differ in provenance and times alone."""

import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.reporting.quick_yaml import load_yaml
from tests.command_line import maas

SELECTION = ("--profile", "smoke", "--area", "model-listing", "-n", "2", "-q")
PROVENANCE = ("id", "startedAt", "finishedAt", "durationSeconds", "startupSeconds", "arguments")
"""What of `run` may differ: when and by which command line. The seed may not."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same checks against two platforms that were started one after the other, as two machines would start them."""
    folder = tmp_path_factory.mktemp("twice")
    made = []
    for name in ("one", "two"):
        done = maas("run", *SELECTION, "--out", name, cwd=folder, **{STATE_HOME_VARIABLE: str(folder / "state")})
        assert done.returncode == 0, done.stdout + done.stderr
        made.append(folder / name)
    return made[0], made[1]


def _normalised(folder: Path) -> dict[str, Any]:
    """The report without provenance and without what a clock measured."""
    report: dict[str, Any] = load_yaml((folder / "report.yaml").read_bytes())
    for name in PROVENANCE:
        del report["run"][name]
    del report["validUntil"]
    report["evidence"] = sorted(report["evidence"])
    for check in report["checks"]:
        del check["durationSeconds"]
    for fact in report["characteristics"]:
        del fact["value"]
    report["characteristics"].sort(key=lambda fact: (fact["check"], fact["name"]))
    return report


def test_the_reports_differ_in_provenance_and_times_alone(runs: tuple[Path, Path]) -> None:
    one, two = map(_normalised, runs)
    assert one == two
    assert one["result"]["conformant"] is True
    assert len(one["checks"]) > 3


def test_they_are_reports_of_two_runs(runs: tuple[Path, Path]) -> None:
    ids = {load_yaml((folder / "report.yaml").read_bytes())["run"]["id"] for folder in runs}
    assert len(ids) == 2


def _cases(folder: Path) -> list[tuple[str, str, list[str]]]:
    """JUnit without times: name, children and properties of each case, without what was measured."""
    cases = ET.parse(folder / "junit.xml").getroot().iter("testcase")
    return [
        (
            f"{case.get('classname')} {case.get('name')}",
            ",".join(child.tag for child in case),
            [line for line in (case.findtext("system-out") or "").splitlines() if "|characteristic." not in line],
        )
        for case in cases
    ]


def test_so_do_their_junit_files(runs: tuple[Path, Path]) -> None:
    assert _cases(runs[0]) == _cases(runs[1])


def test_nothing_in_the_report_names_the_machine(runs: tuple[Path, Path]) -> None:
    """Nor the addresses of a platform that the run itself started: its ports are other ones every time."""
    text = (runs[0] / "report.yaml").read_text(encoding="utf-8")
    assert not re.search(r"127\.0\.0\.1:\d+", text)
    assert os.uname().nodename not in text.replace(str(runs[0].parent), "")
