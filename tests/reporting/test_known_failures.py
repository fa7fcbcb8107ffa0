"""A failure that was declared beforehand stays visible in every report and never counts as passed."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from harness.engine.events import AnyEvent, KnownFailureDeclared, RunFinished, RunStarted, encode
from harness.engine.journal import read_journal
from harness.engine.known_failures import KnownFailure, known_failures, refuse_unknown_checks
from harness.engine.record import RunRecord
from harness.engine.verdict import conclude
from harness.outcome import ExitCode, UsageFault
from harness.reporting.comparison import changes, read_report
from harness.reporting.outline import summary_lines
from harness.reporting.quick_yaml import dump_yaml, load_yaml
from harness.reporting.regenerate import regenerate
from harness.spec.catalogue import catalogue
from tests.reporting.made_up_run import events
from tests.reporting.submissions import Runs

ISSUE = "https://example.com/issues/7"


@pytest.fixture
def known(runs: Runs, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs.folder / "known", tmp_path / "known"))


def test_every_report_shows_it_and_none_counts_it_as_passed(known: Path) -> None:
    summary = json.loads((known / "summary.json").read_bytes())
    assert (summary["exit_code"], summary["passed"], summary["failed"], summary["known_failure"]) == (0, 3, 0, 1)
    assert summary["verdict"] == "conformant except one known failure; not a certificate"
    assert summary["known_failures"][0]["known"]["issue"] == ISSUE
    assert "MAAS-AUTH-001" in summary["requirements"]["broken"]

    case = next(
        case for case in ET.parse(known / "junit.xml").getroot().iter("testcase") if case.get("name") == "test_doubtful"
    )
    skipped = case.find("skipped")
    assert skipped is not None
    assert skipped.attrib["type"] == "known_failure"
    assert ISSUE in skipped.attrib["message"]

    results = [json.loads(path.read_bytes()) for path in (known / "allure-results").glob("*-result.json")]
    attempts = [result for result in results if result["name"] == "doubtful"]
    assert {result["status"] for result in attempts} == {"failed"}
    (allure,) = [result for result in attempts if result["statusDetails"].get("known")]
    assert {"type": "issue", "name": ISSUE, "url": ISSUE} in allure["links"]

    page = (known / "report.html").read_text(encoding="utf-8")
    assert "<h1>Conformant except known failures</h1>" in page
    assert ISSUE in page
    assert "mended in 4.3" in page
    badge = json.loads((known / "badge.json").read_bytes())
    assert (badge["message"], badge["color"]) == ("full: 3 passed, 1 known failure", "yellow")


def test_the_report_says_it_and_is_no_certificate(runs: Runs, known: Path) -> None:
    report = read_report(known)
    assert (report.result.conformant, report.result.exit_code, report.result.known_failures) == (False, 0, 1)
    check = next(check for check in report.checks if check.id.endswith("test_doubtful"))
    assert check.outcome == "known_failure"
    assert check.failure is not None
    assert check.failure.known is not None
    assert (check.failure.known.issue, check.failure.known.expires) == (ISSUE, "2099-01-31")
    (objection,) = runs.verify(known)
    assert (objection.rule, objection.found) == ("V011", "conformant except one known failure; not a certificate")


def test_a_known_failure_is_worse_than_none(runs: Runs) -> None:
    found = changes(read_report(runs.folder / "good"), read_report(runs.folder / "known"))
    (change,) = [change for change in found if change.about == "check" and change.name.endswith("test_doubtful")]
    assert (change.after, change.direction) == ("known_failure", "worse")


def test_the_console_says_which_and_until_when(known: Path) -> None:
    lines = summary_lines(RunRecord.of(read_journal(known)), "out", 0)
    (line,) = [line for line in lines if line.startswith("known failure: ")]
    assert f"{ISSUE}, until 2099-01-31 (mended in 4.3)" in line
    assert lines[-1].startswith("CONFORMANT EXCEPT KNOWN FAILURES (exit 0)")


def _forge(folder: Path, change: Callable[[list[AnyEvent]], list[AnyEvent]]) -> None:
    forged = change(read_journal(folder))
    (folder / "journal.ndjson").write_bytes(b"".join(map(encode, forged)))
    regenerate(forged, folder)


def _declare(expires: str, **more: str) -> Callable[[list[AnyEvent]], list[AnyEvent]]:
    """Slip a declaration into the journal of a run that failed, with the verdict that follows from it."""

    def change(journal: list[AnyEvent]) -> list[AnyEvent]:
        start = next(event for event in journal if isinstance(event, RunStarted))
        declared = KnownFailureDeclared(at=start.at, subject="test_doubtful", issue=ISSUE, expires=expires, **more)
        forged = [entry for event in journal for entry in ((event, declared) if event is start else (event,))]
        code, reason = conclude(RunRecord.of(forged), interrupted=None, strict=False, catalogue=catalogue())
        return [
            msgspec.structs.replace(event, exit_code=int(code), reason=reason)
            if isinstance(event, RunFinished)
            else event
            for event in forged
        ]

    return change


def test_a_declaration_slipped_in_afterwards_makes_nothing_conformant(runs: Runs, bad: Path) -> None:
    _forge(bad, _declare("2099-01-01"))
    assert [objection.rule for objection in runs.verify(bad)] == ["V011"]


def test_an_expired_declaration_is_found(runs: Runs, bad: Path) -> None:
    _forge(bad, _declare("2020-01-01"))
    assert "V005" in {objection.rule for objection in runs.verify(bad)}


def test_a_known_failure_that_the_report_calls_passed_is_found(runs: Runs, known: Path) -> None:
    path = known / "report.yaml"
    report = load_yaml(path.read_bytes())
    report["result"].update(conformant=True, knownFailures=0, passed=3)
    path.write_bytes(dump_yaml(report))
    assert "V007" in {objection.rule for objection in runs.verify(known)}


@pytest.mark.parametrize(("field", "value"), [("version", "9.9"), ("project", "Other"), ("organization", "Else")])
def test_a_report_holds_for_the_product_that_the_run_was_told(runs: Runs, known: Path, field: str, value: str) -> None:
    path = known / "report.yaml"
    report = load_yaml(path.read_bytes())
    assert report["implementation"]["version"] == "4.2"
    report["implementation"][field] = value
    path.write_bytes(dump_yaml(report))
    assert "V007" in {objection.rule for objection in runs.verify(known)}


def test_what_the_run_was_not_told_is_the_vendor_s_to_fill_in(runs: Runs, known: Path) -> None:
    path = known / "report.yaml"
    report = load_yaml(path.read_bytes())
    report["implementation"].update(configuration="air-gapped", url="https://example.com")
    path.write_bytes(dump_yaml(report))
    assert [objection.rule for objection in runs.verify(known)] == ["V011"]


def _record(*declared: KnownFailureDeclared) -> RunRecord:
    return RunRecord.of([*declared, *events()])


def _entry(subject: str) -> KnownFailureDeclared:
    return KnownFailureDeclared(at=0.5, subject=subject, issue=ISSUE, expires="2099-01-01")


@pytest.mark.parametrize("subject", ["scenarios/quota/test_limits.py::fails", "fails", "MAAS-RATE-001"])
def test_a_check_is_meant_by_its_id_its_name_or_its_requirement(subject: str) -> None:
    record = _record(_entry(subject))
    assert [check.planned.title for check in record.having("known_failure")] == ["fails"]
    assert record.outdated == []


def test_a_fault_of_the_harness_is_never_known() -> None:
    record = _record(_entry("broken"))
    assert [check.planned.title for check in record.having("failed")] == ["fails", "broken"]


@pytest.mark.parametrize("subject", ["passes", "MAAS-LIST-001", "no_such_check", "again"])
def test_a_declaration_of_what_does_not_fail_is_outdated(subject: str) -> None:
    assert [entry.subject for entry in _record(_entry(subject)).outdated] == [subject]


@pytest.mark.parametrize("subject", ["cannot", "skips", "unfinished"])
def test_a_declaration_of_what_was_not_judged_is_left_alone(subject: str) -> None:
    assert _record(_entry(subject)).outdated == []


def test_an_outdated_declaration_is_the_verdict_of_a_run_without_failures(runs: Runs) -> None:
    journal = read_journal(runs.folder / "good")
    start = next(event for event in journal if isinstance(event, RunStarted))
    record = RunRecord.of([*journal, msgspec.structs.replace(_entry("test_list"), at=start.at)])
    code, reason = conclude(record, interrupted=None, strict=False, catalogue=catalogue())
    assert (code, reason) == (
        ExitCode.USAGE,
        "declared as known failures, and nothing fails so any more: test_list; remove them",
    )


def test_a_strict_profile_counts_a_known_failure_as_failed(known: Path) -> None:
    journal = [
        event for event in read_journal(known) if getattr(event, "check_id", "x").rpartition("::")[2] != "test_window"
    ]
    code, reason = conclude(RunRecord.of(journal), interrupted=None, strict=True, catalogue=catalogue())
    assert code == ExitCode.NOT_CONFORMANT
    assert "one known failure, which this profile counts as failed" in reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("knownFailures: [{check: x, issue: 'https://e.com/1', expires: 2020-01-01}]", r"entry 1 \(x\) expired on 2020-01-01"),
        ("knownFailures: [{check: x, expires: 2099-01-01}]", "knownFailures.1.issue: Field required"),
        ("knownFailures: [{check: x, issue: later, expires: 2099-01-01}]", "knownFailures.1.issue: String should match"),
        ("knownFailures: [{check: x, issue: 'https://e.com/1', expires: soon}]", "knownFailures.1.expires"),
        ("knownFailures: [{check: x, issue: 'https://e.com/1', expires: 2099-01-01, why: y}]", "knownFailures.1.why: Extra"),
        ("knownFailures: [{issue: 'https://e.com/1', expires: 2099-01-01}]", "give either check or requirement"),
        ("knownFailures: [{requirement: MAAS-NO-999, issue: 'https://e.com/1', expires: 2099-01-01}]", "the catalogue does not have"),
        ("other: []", "knownFailures: Field required"),
        ("[", "is not YAML"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_with_its_entry(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "known.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageFault, match=words):
        known_failures(path)


def test_the_day_of_expiry_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "known.yaml"
    path.write_text("knownFailures: [{check: x, issue: 'https://e.com/1', expires: 2026-05-04}]", encoding="utf-8")
    assert known_failures(path, date(2026, 5, 4))[0].subject == "x"
    with pytest.raises(UsageFault, match="expired on 2026-05-04"):
        known_failures(path, date(2026, 5, 5))


def test_a_check_that_the_suite_lacks_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_there(): pass\n", encoding="utf-8")
    there, gone = (
        KnownFailure(check=name, issue=ISSUE, expires=date(2099, 1, 1)) for name in ("test_there[a]", "a.py::test_gone")
    )
    refuse_unknown_checks([there], tmp_path)
    with pytest.raises(UsageFault, match=r"a\.py::test_gone names no check of this suite"):
        refuse_unknown_checks([there, gone], tmp_path)
