"""When a platform counts as noticed: for each reason that it is known by, by the platform's own fault, and by the exit code."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from harness.outcome import ExitCode
from harness.platforms.embedded.quirks import QUIRKS, weaknesses_of
from harness.selftest.case import Case, broken, controls, until_noticed, weaknesses
from harness.selftest.gallery import GALLERY, Defect
from harness.selftest.trial import Trial, attempt
from harness.spec.catalogue import catalogue

ONE, TWO, OTHER = "MAAS-AUTH-001", "MAAS-AUTH-003", "MAAS-KEY-001"
DEFECT = Defect("made-up", "limiter", "something", (ONE, TWO))


def finding(requirement: str, blame: str = "platform") -> dict[str, Any]:
    return {"requirement": requirement, "check": f"scenarios/x.py::test_{requirement[-3:]}[a]", "blame": blame}


def tried(case: Case, out: Path, exit_code: int, *failures: dict[str, Any]) -> Trial:
    """The trial of a run that ends so."""

    def run(command: Sequence[str]) -> "CompletedProcess[str]":
        folder = Path(command[command.index("--out") + 1])
        folder.mkdir()
        summary = {"verdict": "as it was made up", "failures": failures}
        (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        return CompletedProcess(command, exit_code, "", "its\nlast words\n")

    return attempt(case, out / "report", run)


def test_a_defect_is_noticed_when_each_of_its_requirements_is_found_broken(tmp_path: Path) -> None:
    trial = tried(broken(DEFECT), tmp_path, ExitCode.NOT_CONFORMANT, finding(ONE), finding(TWO), finding(OTHER))
    assert trial.passed
    assert trial.judgement.noticed_by(TWO) == "test_003[a]"
    assert trial.judgement.noticed_by("MAAS-KEY-002") is None


@pytest.mark.parametrize(
    ("exit_code", "failures", "missing"),
    [
        (ExitCode.NOT_CONFORMANT, [finding(ONE), finding(OTHER)], [TWO]),
        (ExitCode.NOT_CONFORMANT, [finding(ONE), finding(TWO, "environment")], [TWO]),
        (ExitCode.NOT_CONFORMANT, [finding(ONE), finding(TWO, "harness")], [TWO]),
        (ExitCode.CONFORMANT, [], [ONE, TWO]),
        (ExitCode.CONFORMANT, [finding(ONE), finding(TWO)], []),  # seen, and the verdict says otherwise
    ],
)
def test_a_defect_is_not_noticed(
    exit_code: int, failures: list[dict[str, Any]], missing: list[str], tmp_path: Path
) -> None:
    trial = tried(broken(DEFECT), tmp_path, exit_code, *failures)
    assert not trial.passed
    assert not trial.fault
    assert trial.missing == missing


@pytest.mark.parametrize("exit_code", [ExitCode.USAGE, ExitCode.ENVIRONMENT, ExitCode.HARNESS, ExitCode.INVALID, -9])
def test_a_run_without_a_verdict_is_a_fault_and_no_notice(exit_code: int, tmp_path: Path) -> None:
    trial = tried(broken(DEFECT), tmp_path, exit_code, finding(ONE), finding(TWO))
    assert not trial.passed
    assert trial.fault == f"the run came to no verdict (exit {exit_code}): as it was made up; it said: its last words"


def test_a_run_without_a_summary_is_a_fault_with_its_last_words(tmp_path: Path) -> None:
    trial = attempt(broken(DEFECT), tmp_path, lambda command: CompletedProcess(command, 3, "", "no Envoy\nanywhere\n"))
    assert not trial.passed
    assert trial.fault == "the run left no summary (exit 3): no Envoy anywhere"


@pytest.mark.parametrize(
    ("exit_code", "failures", "passed"),
    [
        (ExitCode.CONFORMANT, [], True),
        (ExitCode.NOT_CONFORMANT, [finding(ONE)], False),
        (ExitCode.CONFORMANT, [finding(ONE)], False),
        (ExitCode.CONFORMANT, [finding(ONE, "environment")], False),
    ],
)
def test_the_intact_platform_breaks_nothing(
    exit_code: int, failures: list[dict[str, Any]], passed: bool, tmp_path: Path
) -> None:
    [control] = controls([DEFECT])
    assert tried(control, tmp_path, exit_code, *failures).passed is passed


@pytest.mark.parametrize(
    ("more", "passed"), [([], True), ([finding(OTHER)], False), ([finding(OTHER, "harness")], False)]
)
def test_upstreams_weaknesses_are_found_exactly(more: list[dict[str, Any]], passed: bool, tmp_path: Path) -> None:
    assert OTHER not in weaknesses_of(QUIRKS)
    each = [finding(row) for row in weaknesses_of(QUIRKS)]
    assert tried(weaknesses(), tmp_path, ExitCode.CONFORMANT, *each, *more).passed is passed


def test_upstreams_weaknesses_judge_nobody(tmp_path: Path) -> None:
    each = [finding(row) for row in weaknesses_of(QUIRKS)]
    assert not tried(weaknesses(), tmp_path, ExitCode.NOT_CONFORMANT, *each).passed
    levels = {row.id: row.level for row in catalogue()}
    assert {levels[row] for row in weaknesses_of(QUIRKS)} == {"observe"}


def test_an_open_door_to_internal_operations_breaks_the_rows_of_each() -> None:
    assert weaknesses_of(["MAAS-SEC-001"]) == {"MAAS-SEC-001", "MAAS-SEC-002", "MAAS-SEC-003"}
    assert weaknesses_of(["MAAS-SEC-006"]) == {"MAAS-SEC-006"}


def test_a_weakness_that_is_not_found_is_named(tmp_path: Path) -> None:
    first, *others = sorted(weaknesses_of(QUIRKS))
    trial = tried(weaknesses(), tmp_path, ExitCode.CONFORMANT, *map(finding, others))
    assert trial.missing == [first]
    assert not trial.passed


def test_a_run_ends_when_all_that_is_demanded_was_noticed_and_not_before() -> None:
    words = until_noticed(broken(DEFECT)).command
    pairs = set(pairwise(words))
    for option in ("--requirement", "--until-broken"):
        assert {(option, ONE), (option, TWO)} <= pairs
        assert words.count(option) == 2


def test_every_check_that_must_notice_has_to_be_silent_on_the_intact_platform_under_the_same_settings() -> None:
    made = {case.name: set(case.command) for case in controls(GALLERY)}
    for defect in GALLERY:
        words = made[" ".join(("intact", *defect.under))]
        assert words.issuperset(defect.requirements)
        assert words.issuperset(defect.under)
        assert defect.setting not in words
