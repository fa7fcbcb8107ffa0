"""A report as it was written is accepted; edited by hand in any way that matters, it is refused."""

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from harness.engine.events import (
    AnyEvent,
    CheckFinished,
    CheckPlanned,
    CheckStarted,
    RunFinished,
    RunStarted,
    SuiteCollected,
    encode,
)
from harness.engine.journal import read_journal
from harness.outcome import UsageFault
from harness.reporting.certificate import digests
from harness.reporting.conformance import schema
from harness.reporting.data import report_data
from harness.reporting.quick_yaml import dump_yaml, load_yaml
from harness.reporting.regenerate import regenerate
from tests.reporting.submissions import Runs


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "report.yaml"
    document = load_yaml(path.read_bytes())
    change(document)
    path.write_bytes(dump_yaml(document))


def _forge(folder: Path, change: Callable[[list[AnyEvent]], list[AnyEvent]]) -> None:
    """Change the journal and make everything else follow from it, as somebody would who has this program."""
    events = change(read_journal(folder))
    (folder / "journal.ndjson").write_bytes(b"".join(map(encode, events)))
    regenerate(events, folder)


def _readmit(folder: Path) -> None:
    """Write the digests of the folder as it is now into the report."""
    _edit(folder, lambda report: report.update(evidence=digests(folder)))


def _check(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(found for found in report["checks"] if found["id"].endswith(name))


def test_a_report_as_it_was_written_is_accepted(runs: Runs, good: Path) -> None:
    assert runs.verify(good) == []


def test_a_report_says_what_the_run_was(good: Path) -> None:
    report = load_yaml((good / "report.yaml").read_bytes())
    assert report["result"] == {
        "conformant": True,
        "exitCode": 0,
        "reason": "conformant in all that was judged",
        "passed": 3,
        "failed": 0,
        "knownFailures": 0,
        "notRunnable": 1,
        "skipped": 0,
        "passedOnRetry": 1,
        "unfinished": 0,
    }
    states = {feature["area"]: feature["state"] for feature in report["features"]}
    assert states["model-listing"] == "proven"
    assert states["token-rate-limits"] == "unproven"  # one of its checks could not run
    assert states["security-probes"] == "not_evaluated"


def test_the_vendors_own_places_may_be_filled_in(runs: Runs, bad: Path) -> None:
    before = [objection.rule for objection in runs.verify(bad)]

    def fill(report: dict[str, Any]) -> None:
        report["implementation"].update(organization="Example", version="4.2", contact=["conformance@example.com"])
        _check(report, "test_doubtful")["failure"]["comment"] = "mended in 4.3"

    _edit(bad, fill)
    assert [objection.rule for objection in runs.verify(bad)] == before == ["V011"]


def _set(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        place: Any = report
        for step in path[:-1]:
            place = place[step]
        assert place[path[-1]] != to
        place[path[-1]] = to

    return change


EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another kind": (_set("kind", to="Certificate"), "V001"),
    "a field of its own": (lambda report: report.update(certifiedBy="me"), "V001"),
    "a result of another type": (_set("result", "passed", to="all"), "V001"),
    "no checks": (lambda report: report.pop("checks"), "V001"),
    "an outcome of its own": (lambda report: _check(report, "test_list").update(outcome="excellent"), "V001"),
    "another catalogue": (_set("suite", "catalogue", to="0" * 16), "V003"),
    "other checks": (_set("suite", "checks", to="0" * 64), "V003"),
    "evidence left out": (lambda report: report["evidence"].pop("junit.xml"), "V004"),
    "evidence of something else": (lambda report: report["evidence"].update({"x": "sha256:" + "0" * 64}), "V004"),
    "another suite's version": (_set("suite", "version", to="9.9.9"), "V007"),
    "another statement": (_set("statement", to="certified by everybody"), "V007"),
    "another profile": (_set("profile", to="smoke"), "V007"),
    "another target": (_set("platform", "target", to="cluster"), "V007"),
    "another stack": (_set("platform", "stack", to="installed"), "V007"),
    "a component it never met": (lambda report: report["platform"]["versions"].update(envoy="99"), "V007"),
    "a looser bound": (_set("platform", "parameters", "revocation_bound_s", to=7500.0), "V007"),
    "an override that was none": (lambda report: report["platform"]["overrides"].update(ready_bound_s=1.0), "V007"),
    "a longer life": (_set("validUntil", to="2099-01-01T00:00:00Z"), "V007"),
    "another day": (_set("run", "startedAt", to="2030-01-01T00:00:00Z"), "V007"),
    "another run": (_set("run", "id", to="ffffffffffff"), "V007"),
    "other arguments": (_set("run", "arguments", to=[]), "V007"),
    "a quicker start": (_set("run", "startupSeconds", to=0.1), "V007"),
    "more checks passed": (_set("result", "passed", to=99), "V007"),
    "no retry": (lambda report: _check(report, "test_late").update(outcome="passed", attempts=1), "V007"),
    "what could not run has passed": (lambda report: _check(report, "test_window").update(outcome="passed"), "V007"),
    "a check left out": (lambda report: report["checks"].pop(), "V007"),
    "a check invented": (lambda report: report["checks"].append(report["checks"][0]), "V007"),
    "a requirement proven": (lambda report: report["requirements"][0].update(state="proven"), "V007"),
    "a requirement left out": (lambda report: report["requirements"].pop(), "V007"),
    "a requirement made lighter": (lambda report: report["requirements"][0].update(level="observe"), "V007"),
    "a feature proven": (lambda report: report["features"][0].update(state="proven"), "V007"),
    "a nicer characteristic": (_set("characteristics", 0, "value", to=0.0), "V007"),
    "a quicker check": (lambda report: _check(report, "test_list").update(durationSeconds=99.0), "V007"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_report_is_refused(runs: Runs, good: Path, name: str) -> None:
    change, rule = EDITS[name]
    _edit(good, change)
    assert rule in {objection.rule for objection in runs.verify(good)}


def _whitewash(report: dict[str, Any]) -> None:
    report["result"].update(conformant=True, exitCode=0, reason="conformant in all that was judged", failed=0)
    check = _check(report, "test_doubtful")
    check.update(outcome="passed", attempts=1)
    check.pop("failure")


def test_a_failure_made_to_pass_in_the_report_is_refused(runs: Runs, bad: Path) -> None:
    _edit(bad, _whitewash)
    assert "V007" in {objection.rule for objection in runs.verify(bad)}


@pytest.mark.parametrize("name", ["junit.xml", "summary.json", "report.html"])
@pytest.mark.parametrize("readmitted", [False, True])
def test_an_edited_file_is_refused(runs: Runs, bad: Path, name: str, readmitted: bool) -> None:
    path = bad / name
    path.write_bytes(path.read_bytes().replace(b"observed 200", b"observed 401").replace(b'"200"', b'"401"') + b" ")
    if readmitted:
        _readmit(bad)
    assert ("V008" if readmitted else "V004") in {objection.rule for objection in runs.verify(bad)}


@pytest.mark.parametrize("readmitted", [False, True])
@pytest.mark.parametrize("name", ["badge.json", "failures/*/failure.txt", "failures/*/exchanges.har"])
def test_what_lies_beside_the_report_is_not_edited_either(runs: Runs, bad: Path, name: str, readmitted: bool) -> None:
    path = next(bad.glob(name))
    path.write_bytes(path.read_bytes().replace(b"200", b"401").replace(b"red", b"brightgreen") + b" ")
    if readmitted:
        _readmit(bad)
    assert ("V008" if readmitted else "V004") in {objection.rule for objection in runs.verify(bad)}


@pytest.mark.parametrize("readmitted", [False, True])
def test_failures_do_not_disappear_and_none_are_invented(runs: Runs, bad: Path, good: Path, readmitted: bool) -> None:
    shutil.rmtree(bad / "failures")
    (good / "failures" / "made-up").mkdir(parents=True)
    (good / "failures" / "made-up" / "failure.txt").write_text("FAILED", encoding="utf-8")
    for folder in (bad, good):
        if readmitted:
            _readmit(folder)
        assert {objection.rule for objection in runs.verify(folder)} & {"V004", "V008"}, folder


@pytest.mark.parametrize("readmitted", [False, True])
def test_an_edited_allure_result_is_refused(runs: Runs, bad: Path, readmitted: bool) -> None:
    path = next(path for path in (bad / "allure-results").glob("*-result.json") if b'"failed"' in path.read_bytes())
    path.write_bytes(path.read_bytes().replace(b'"failed"', b'"passed"'))
    if readmitted:
        _readmit(bad)
    assert ("V008" if readmitted else "V004") in {objection.rule for objection in runs.verify(bad)}


@pytest.mark.parametrize(
    ("name", "rule"), [("junit.xml", "V004"), ("journal.ndjson", "V002"), ("allure-results", "V004")]
)
def test_a_missing_file_is_refused(runs: Runs, good: Path, name: str, rule: str) -> None:
    path = good / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    assert [objection.rule for objection in runs.verify(good)] == [rule]


def _replaced(kind: type, **changes: object) -> Callable[[list[AnyEvent]], list[AnyEvent]]:
    return lambda events: [
        msgspec.structs.replace(event, **changes) if isinstance(event, kind) else event for event in events
    ]


def _pass_the_failure(events: list[AnyEvent]) -> list[AnyEvent]:
    end = {"exit_code": 0, "reason": "conformant in all that was judged"}
    events = [
        msgspec.structs.replace(event, outcome="passed", failure=None)
        if isinstance(event, CheckFinished) and event.check_id.endswith("doubtful")
        else event
        for event in events
    ]
    return _replaced(RunFinished, **end)(events)


def _without_check(events: list[AnyEvent]) -> list[AnyEvent]:
    kept = [event for event in events if not getattr(event, "check_id", "").endswith("doubtful")]
    cleared = [
        msgspec.structs.replace(
            event, proofs={name: found for name, found in event.proofs.items() if "doubtful" not in name}
        )
        if isinstance(event, SuiteCollected)
        else event
        for event in kept
    ]
    return _replaced(RunFinished, exit_code=0, reason="conformant in all that was judged")(cleared)


FORGERIES: dict[str, tuple[Callable[[list[AnyEvent]], list[AnyEvent]], str]] = {
    "a failure made to pass": (_pass_the_failure, "V005"),
    "a better end": (_replaced(RunFinished, exit_code=0, reason="conformant in all that was judged"), "V006"),
    "two beginnings": (lambda events: [events[0], *events], "V005"),
    "verdicts without a start": (
        lambda events: [event for event in events if not isinstance(event, CheckStarted)],
        "V005",
    ),
    "a check that was never planned": (
        lambda events: [
            event for event in events if not (isinstance(event, CheckPlanned) and "list" in event.check_id)
        ],
        "V005",
    ),
    "times that run backwards": (lambda events: [*events[:-3], events[-1], events[-2], events[-3]], "V005"),
    "a slower check": (_replaced(CheckFinished, duration_s=500.0), "V005"),
    "a check removed everywhere": (_without_check, "V009"),
    "another suite": (_replaced(RunStarted, suite_digest="0" * 64), "V003"),
    "a profile nobody knows": (_replaced(RunStarted, profile="gold"), "V006"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_journal_is_refused(runs: Runs, bad: Path, name: str) -> None:
    change, rule = FORGERIES[name]
    _forge(bad, change)
    assert rule in {objection.rule for objection in runs.verify(bad)}


def test_a_run_that_never_ended_has_no_report(runs: Runs, good: Path) -> None:
    _forge(good, lambda events: [event for event in events if not isinstance(event, RunFinished)])
    with pytest.raises(UsageFault, match="holds no report"):
        runs.verify(good)


def test_a_run_that_left_checks_out_is_refused(runs: Runs) -> None:
    (objection,) = runs.verify(runs.folder / "partial")
    assert objection.rule == "V010"
    assert "3 left out" in objection.found


def test_a_profile_that_bounds_needs_asks_for_the_checks_within_its_bounds(runs: Runs, good: Path) -> None:
    """`test_window` needs a clock and `test_list` does not: the endpoint profile asks for the second alone."""
    left_out = ("window", "test_list")
    for name, refused in zip(left_out, (False, True), strict=True):

        def without(events: list[AnyEvent], name: str = name) -> list[AnyEvent]:
            kept = [event for event in events if name not in getattr(event, "check_id", "")]
            gone = tuple(
                event.check_id for event in events if isinstance(event, CheckPlanned) and name in event.check_id
            )
            return _replaced(SuiteCollected, deselected=gone)(_replaced(RunStarted, profile="endpoint")(kept))

        folder = Path(shutil.copytree(runs.folder / "good", good.parent / name))
        _forge(folder, without)
        assert ("V010" in {objection.rule for objection in runs.verify(folder)}) == refused


def test_a_report_expires(runs: Runs, good: Path) -> None:
    (objection,) = runs.verify(good, datetime.now(UTC) + timedelta(days=366))
    assert objection.rule == "V013"


def test_a_credential_in_any_file_is_refused(runs: Runs, good: Path) -> None:
    (good / "pytest.log").write_text("sk-oai-0123456789abcdef_0123456789abcdefghijklmnop", encoding="utf-8")
    assert [objection.rule for objection in runs.verify(good)] == ["V014"]


def test_an_objection_says_what_was_expected_found_and_how_to_mend_it(runs: Runs, good: Path) -> None:
    _edit(good, _set("result", "passed", to=99))
    (objection,) = runs.verify(good)
    assert str(objection) == (
        "V007: expected result.passed as the journal has it (3); found 99. "
        "Run the suite again and submit the folder as it was written."
    )


@pytest.mark.parametrize("content", [None, "- a list", "a: [", ""])
def test_a_folder_without_a_report_is_one_sentence(runs: Runs, good: Path, content: str | None) -> None:
    path = good / "report.yaml"
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageFault, match=r"report"):
        runs.verify(good)


def test_the_published_schema_is_that_of_the_model() -> None:
    published = json.loads(report_data("conformance-report.schema.json").read_bytes())
    assert published == json.loads(json.dumps(schema()))
    jsonschema.Draft202012Validator.check_schema(published)


def test_making_the_reports_again_changes_nothing(good: Path) -> None:
    before = digests(good)
    report = hashlib.sha256((good / "report.yaml").read_bytes()).hexdigest()
    regenerate(read_journal(good), good)
    assert digests(good) == before
    assert hashlib.sha256((good / "report.yaml").read_bytes()).hexdigest() == report
