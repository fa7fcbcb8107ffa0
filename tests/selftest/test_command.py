"""The command as a person meets it: which platforms it judges, how many at a time, and the exit code that says what its table says."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import selftest
from harness.cli.command import run
from harness.outcome import ExitCode
from harness.selftest.case import Case
from harness.selftest.gallery import GALLERY
from harness.selftest.trial import Finding, Judgement, Runner, Trial

FIRST, SECOND = GALLERY[0], GALLERY[1]
Outcome = Callable[[Case], Trial]


def as_it_should_be(case: Case) -> Trial:
    findings = tuple(Finding(row, f"s/t.py::test_{row[-3:]}", "platform") for row in sorted(case.must))
    code = ExitCode.NOT_CONFORMANT if case.kind == "defect" else ExitCode.CONFORMANT
    return Trial(case, 1.0, Judgement(code, findings))


def blind(case: Case) -> Trial:
    return Trial(case, 1.0, Judgement(ExitCode.CONFORMANT, ()))


def alarmed(case: Case) -> Trial:
    found = Finding("MAAS-KEY-001", "s/t.py::test_it", "platform")
    return Trial(case, 1.0, Judgement(ExitCode.NOT_CONFORMANT, (found,)))


def broken_down(case: Case) -> Trial:
    return Trial(case, 1.0, fault="no Envoy on this machine")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Outcome]], list[Case]]:
    """Has each platform come to the outcome of its name, the others to what they should; returns what is judged, as it is."""

    def arrange(outcomes: dict[str, Outcome]) -> list[Case]:
        cases: list[Case] = []

        def attempt(case: Case, out: Path, run: Runner) -> Trial:
            cases.append(case)
            return outcomes.get(case.name, as_it_should_be)(case)

        monkeypatch.setattr(selftest, "attempt", attempt)
        return cases

    return arrange


@pytest.mark.parametrize(
    ("outcomes", "exit_code", "last"),
    [
        ({}, ExitCode.CONFORMANT, ": every one as it should be"),
        ({FIRST.name: blind}, ExitCode.NOT_CONFORMANT, f"not as they should be: {FIRST.name}"),
        ({"intact": alarmed}, ExitCode.NOT_CONFORMANT, "not as they should be: intact"),
        ({"upstream": blind}, ExitCode.NOT_CONFORMANT, "not as they should be: upstream"),
        ({FIRST.name: broken_down, SECOND.name: blind}, ExitCode.HARNESS, f": {FIRST.name}, {SECOND.name}"),
    ],
)
def test_the_exit_code_and_the_last_line_say_the_same(
    outcomes: dict[str, Outcome],
    exit_code: ExitCode,
    last: str,
    judged: Callable[[dict[str, Outcome]], list[Case]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    cases = judged(outcomes)
    assert run(["selftest"]) == exit_code
    said = capsys.readouterr().out.splitlines()
    total = len(GALLERY) + 3  # the intact platform under two settings, and upstream's
    assert said[-1].startswith(f"{total} platforms judged in ")
    assert said[-1].endswith(last)
    assert [line.split("of")[0].strip() for line in said[:total]] == [str(number + 1) for number in range(total)]
    assert len(cases) == total
    assert cases[-1].name == "upstream"


def test_one_defect_is_judged_with_the_intact_platform_alone(
    judged: Callable[[dict[str, Outcome]], list[Case]], capsys: pytest.CaptureFixture[str]
) -> None:
    cases = judged({})
    assert run(["selftest", "--defect", FIRST.name]) == ExitCode.CONFORMANT
    assert {case.name for case in cases} == {"intact", FIRST.name}
    assert all(set(FIRST.requirements) <= set(case.arguments) for case in cases)


def test_the_matrix_leaves_no_check_out(
    judged: Callable[[dict[str, Outcome]], list[Case]], capsys: pytest.CaptureFixture[str]
) -> None:
    cases = judged({})
    assert run(["selftest", "--matrix", "--defect", FIRST.name]) == ExitCode.CONFORMANT
    [case] = cases
    assert not {"--requirement", "--until-broken", "-n"} & set(case.command)


def test_so_many_platforms_as_were_asked_for_are_judged_at_a_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each waits for two others, and there are three: with two at a time the barrier would break."""
    barrier = threading.Barrier(3)

    def attempt(case: Case, out: Path, run: Runner) -> Trial:
        barrier.wait(timeout=30)
        return as_it_should_be(case)

    monkeypatch.setattr(selftest, "attempt", attempt)
    arguments = ["selftest", "--at-once", "3", "--defect", FIRST.name, "--defect", SECOND.name]
    assert run(arguments) == ExitCode.CONFORMANT


def test_the_list_names_every_defect_and_judges_nothing(
    judged: Callable[[dict[str, Outcome]], list[Case]], capsys: pytest.CaptureFixture[str]
) -> None:
    cases = judged({})
    assert run(["selftest", "--list"]) == ExitCode.CONFORMANT
    assert len(capsys.readouterr().out.splitlines()) == len(GALLERY)
    assert not cases
