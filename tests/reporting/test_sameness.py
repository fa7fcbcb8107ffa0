"""Whether two runs said the same: what a machine, a moment or a chance changes is no difference, and everything else is one."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harness.cli.command import run as maas
from harness.engine.events import (
    AnyEvent,
    CharacteristicMeasured,
    CheckFinished,
    CheckPlanned,
    CheckStarted,
    RunFinished,
    RunStarted,
)
from harness.outcome import ExitCode
from harness.reporting.regenerate import regenerate
from harness.reporting.sameness import SAME, Difference, differences
from harness.reporting.saying import words
from tests.reporting.made_up_run import FAILURE, PREFIX, events

Change = Callable[[AnyEvent], AnyEvent]
replace = msgspec.structs.replace


def elsewhere(event: AnyEvent) -> AnyEvent:
    """The same run an hour later, on another machine: another interpreter, other workers, slower, and with other names and ports."""
    event = replace(event, at=event.at * 1.5 + 3600)
    if isinstance(event, RunStarted):
        versions = {**event.versions, "python": "3.13.0"}
        return replace(
            event, run_id="ba9876543210", startup_s=9.0, arguments=("--out", "/elsewhere"), versions=versions
        )
    if isinstance(event, CheckFinished):
        failure = event.failure
        if failure is FAILURE:
            failure = replace(failure, observed=f"{failure.observed} of mc-89abcdef at 127.0.0.1:2 after 7.25 s")
        return replace(event, worker="gw0", duration_s=event.duration_s * 1.5, failure=failure)
    if isinstance(event, CheckStarted):
        return replace(event, worker="gw0")
    if isinstance(event, RunFinished):
        return replace(event, duration_s=99.0)
    return replace(event, value=13.5) if isinstance(event, CharacteristicMeasured) else event


def here(event: AnyEvent) -> AnyEvent:
    if isinstance(event, CheckFinished) and event.failure is FAILURE:
        text = f"{FAILURE.observed} of mc-01234567 at 127.0.0.1:1 after 0.5 s"
        return replace(event, failure=replace(FAILURE, observed=text))
    return event


def written(folder: Path, change: Change) -> Path:
    folder.mkdir()
    regenerate([change(event) for event in events()], folder)
    return folder


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return written(tmp_path / "one", here)


def test_a_run_elsewhere_says_the_same(one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = written(tmp_path / "other", elsewhere)
    for name in ("report.yaml", "summary.json", "junit.xml"):
        assert (one / name).read_bytes() != (other / name).read_bytes()
    assert maas(["diff", "--same", str(one), str(other)]) == ExitCode.CONFORMANT
    assert capsys.readouterr().out == f"{SAME}\n"
    assert maas(["diff", "--same", "--json", str(one), str(other)]) == ExitCode.CONFORMANT
    assert json.loads(capsys.readouterr().out) == []


def _passes_no_more(event: AnyEvent) -> AnyEvent:
    ours = isinstance(event, CheckFinished) and event.check_id == PREFIX + "passes"
    return replace(event, outcome="skipped", reason="no time") if ours else event


def _in_other_words(event: AnyEvent) -> AnyEvent:
    ours = isinstance(event, CheckFinished) and event.check_id == PREFIX + "cannot"
    return replace(event, reason="needs clock: nobody knows why") if ours else event


def _of_another_release(event: AnyEvent) -> AnyEvent:
    return replace(event, versions={**event.versions, "envoy": "1.41.0"}) if isinstance(event, RunStarted) else event


def _seeded(event: AnyEvent) -> AnyEvent:
    return replace(event, seed=7) if isinstance(event, RunStarted) else event


def _in_another_unit(event: AnyEvent) -> AnyEvent:
    return replace(event, unit="requests") if isinstance(event, CharacteristicMeasured) else event


def _at_another_line(event: AnyEvent) -> AnyEvent:
    ours = isinstance(event, CheckPlanned) and event.check_id == PREFIX + "passes"
    return replace(event, line=8) if ours else event


def _with_another_bound(event: AnyEvent) -> AnyEvent:
    return replace(event, parameters={"ready_bound_s": 61.0}) if isinstance(event, RunStarted) else event


@pytest.mark.parametrize(
    ("change", "files", "where"),
    [
        (_passes_no_more, {"report.yaml", "summary.json", "junit.xml", "allure-results"}, "outcome"),
        (_in_other_words, {"report.yaml", "summary.json", "junit.xml", "allure-results"}, "reason"),
        (_of_another_release, {"report.yaml", "junit.xml", "allure-results"}, "platform.versions.envoy"),
        (_seeded, {"report.yaml"}, "run.seed"),
        (_in_another_unit, {"report.yaml", "summary.json"}, "overshoot"),
        (_at_another_line, {"junit.xml"}, "properties"),
        (_with_another_bound, {"report.yaml", "allure-results"}, "platform.parameters.ready_bound_s"),
    ],
)
def test_whatever_else_differs_is_told_with_its_place(
    one: Path, tmp_path: Path, change: Change, files: set[str], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = written(tmp_path / "other", lambda event: change(elsewhere(event)))
    found = differences(one, other)
    assert {difference.file for difference in found} == files
    assert any(where in difference.where for difference in found)
    assert maas(["diff", "--same", str(one), str(other)]) == ExitCode.NOT_CONFORMANT
    assert len(capsys.readouterr().out.splitlines()) == len(found)


def test_a_difference_is_one_line() -> None:
    told = str(Difference("report.yaml", "checks.a.reason", None, "two\nlines " + "x" * 200))
    assert told.startswith("report.yaml checks.a.reason: absent → two lines xxx")
    assert len(told) < 220


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (
            "maas-conformance-0123456789ab-gw0-1/mc-01234567-user1",
            "maas-conformance-ba9876543210-gw2-3/mc-76543210-user1",
            True,
        ),
        ("at 127.0.0.1:1 after 0.25 s", "at 127.0.0.1:65000 after 12.5 s", True),
        ("request 01234567-89ab-cdef-0123-456789abcdef", "request fedcba98-7654-3210-fedc-ba9876543210", True),
        ("not within 60 s (ready_bound_s)", "not within 90 s (ready_bound_s)", False),
        ("2 tokens", "3 tokens", False),
        ("mc-01234567-user1", "mc-01234567-user2", False),
    ],
)
def test_what_is_chosen_or_measured_is_alike_in_words(left: str, right: str, *, same: bool) -> None:
    assert (words(left) == words(right)) is same


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "junit.xml").unlink(), "expected the folder of a run: cannot read"),
        (lambda folder: (folder / "junit.xml").write_text("<a"), "junit.xml is not what a run writes"),
        (lambda folder: (folder / "summary.json").write_text("[]"), "summary.json is not what a run writes"),
        (lambda folder: (folder / "report.yaml").write_text("a: 1"), "report.yaml is not what a run writes"),
    ],
)
def test_what_is_no_folder_of_a_run_is_one_sentence(
    one: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], object], sentence: str
) -> None:
    other = written(tmp_path / "other", elsewhere)
    spoil(other)
    assert maas(["diff", "--same", str(one), str(other)]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.splitlines()) == 1


def test_a_page_of_what_is_the_same_is_not_offered(one: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert maas(["diff", "--same", str(one), str(one), "--html", "x.html"]) == ExitCode.USAGE
    assert "leave --html out" in capsys.readouterr().err
