"""V005: a journal that a run can have written. What no run writes gives away who edited it, however well the other files follow from it."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from harness.engine.events import (
    CheckFinished,
    CheckPlanned,
    CheckStarted,
    DiagnosticsTaken,
    RunFinished,
    RunStarted,
    SuiteCollected,
    decode,
)
from harness.engine.journal import JOURNAL
from harness.outcome import ExitCode
from harness.reporting.objection import AGAIN, Objection, Submission
from harness.spec.catalogue import catalogue

CLOCK_SLACK_S: Final = 2.0
"""A check's own clock and the journal's may differ by so much."""
YEARS: Final = (datetime(2020, 1, 1, tzinfo=UTC).timestamp(), datetime(9000, 1, 1, tzinfo=UTC).timestamp())
"""Times that a calendar can show, in Unix seconds."""


def journal_of_a_run(given: Submission) -> Iterable[Objection]:
    """What is wrong with the journal itself; of lines that are no journal's, nothing more is said."""
    unreadable = list(_lines(given))
    if unreadable:
        return unreadable
    return [
        found for rule in (_frame, _declarations, _attempts, _failures, _evidence_of_checks) for found in rule(given)
    ]


def _wrong(expected: str, found: str) -> Objection:
    return Objection("V005", expected, found, AGAIN)


def _lines(given: Submission) -> Iterable[Objection]:
    """Whole lines, each as it is written: a value said twice in one line would be read one way by people and another by programs."""
    content = (given.folder / JOURNAL).read_bytes()
    lines = content.splitlines(keepends=True)
    if len(lines) != len(given.events) or not content.endswith(b"\n"):
        yield _wrong("a journal of whole lines", "one that breaks off")
        return
    if not all(YEARS[0] <= event.at < YEARS[1] for event in given.events):
        yield _wrong("times of this age", "others")
        return
    for number, line in enumerate(lines, start=1):
        if msgspec.json.encode(msgspec.json.decode(line)) + b"\n" != line:
            yield _wrong("lines as a run writes them", f"another form in line {number}")
            return
    if [event.at for event in given.events] != [decode(line).at for line in lines]:
        yield _wrong("a journal in order of time", "times that run backwards")


def _frame(given: Submission) -> Iterable[Objection]:
    """One beginning, one suite, one end; every check planned once, and left out or planned; nothing judged after the end."""
    for kind in (RunStarted, SuiteCollected, RunFinished):
        count = sum(isinstance(event, kind) for event in given.events)
        if count != 1:
            yield _wrong(f"one {kind.__name__}", str(count))
    planned = [event.check_id for event in given.events if isinstance(event, CheckPlanned)]
    if len(planned) != len(set(planned)):
        yield _wrong("one plan of each check", f"{len(planned)} plans of {len(set(planned))} checks")
    if {*planned, *given.record.deselected} != given.record.proofs.keys():
        yield _wrong("every check of the suite planned or left out", "another number of them")
    end = given.record.finished
    if end is None:
        return
    if end.exit_code not in {int(code) for code in ExitCode}:
        yield _wrong("an exit code that a run can have", str(end.exit_code))
    late = [event for event in given.events if isinstance(event, CheckStarted | CheckFinished) and event.at > end.at]
    if late:
        yield _wrong("no check after the end of the run", late[0].check_id)
    longest = max((check.duration_s for check in given.record.checks.values()), default=0.0)
    if end.duration_s + CLOCK_SLACK_S < longest:
        yield _wrong(f"a run no shorter than its longest check ({longest:.1f} s)", f"{end.duration_s:.1f} s")


def _declarations(given: Submission) -> Iterable[Objection]:
    start = given.record.started
    for entry in given.record.declared.values():
        if start and datetime.fromtimestamp(start.at, UTC).date().isoformat() > entry.expires:
            yield _wrong(f"known failures in force when the run began, and not {entry.subject}", entry.expires)


def _attempts(given: Submission) -> Iterable[Objection]:
    """Each attempt begins, comes to one verdict in the time it says, and only a failed one is followed by another."""
    begun: dict[tuple[str, int], float] = {}
    verdicts: dict[str, list[CheckFinished]] = {}
    for event in given.events:
        if isinstance(event, CheckStarted):
            begun[event.check_id, event.attempt] = event.at
        elif isinstance(event, CheckFinished):
            earlier = verdicts.setdefault(event.check_id, [])
            yield from _finished_after_start(given, event, begun.get((event.check_id, event.attempt)))
            if event.attempt != len(earlier) + 1:
                yield _wrong(f"attempt {len(earlier) + 1} of {event.check_id}", f"a verdict of attempt {event.attempt}")
            elif earlier and earlier[-1].outcome != "failed":
                yield _wrong(f"no further attempt of {event.check_id}, which {earlier[-1].outcome}", "one")
            earlier.append(event)


def _finished_after_start(given: Submission, event: CheckFinished, began: float | None) -> Iterable[Objection]:
    check = given.record.checks.get(event.check_id)
    if check is None:
        return  # which _evidence_of_checks says
    if began is None:
        yield _wrong(f"a start of attempt {event.attempt} of {event.check_id}", "a verdict without one")
    elif abs(event.at - began - event.duration_s) > CLOCK_SLACK_S:
        took = f"{event.duration_s:.1f} s, though {event.at - began:.1f} s lie between start and verdict"
        yield _wrong(f"a duration of {event.check_id} that fits its times", took)
    if check.planned.not_runnable is not None and event.outcome != "not_runnable":
        yield _wrong(f"no verdict of {event.check_id}, which cannot run here", event.outcome)
    if (event.outcome == "failed") != (event.failure is not None):
        yield _wrong(f"a failure exactly where {event.check_id} failed", event.outcome)


def _failures(given: Submission) -> Iterable[Objection]:
    """A failure is one of a promise in the words of the catalogue: of the check's own, or of one that it took for kept and that decides."""
    rows = catalogue()
    for event in given.events:
        failure = event.failure if isinstance(event, CheckFinished) else None
        check = given.record.checks.get(event.check_id) if isinstance(event, CheckFinished) else None
        if failure is None or check is None:
            continue
        if failure.requirement not in rows:
            yield _wrong("failures of requirements of this catalogue", failure.requirement)
            continue
        row = rows.get(failure.requirement)
        if failure.requirement_text != row.requirement:
            yield _wrong(f"the promise {row.id} in the words of the catalogue", failure.requirement_text[:80] or "none")
        if row.id not in check.planned.requirements and not row.decides:
            yield _wrong(f"a failure of what {check.planned.check_id} proves", f"{row.id}, which judges nobody")


def _evidence_of_checks(given: Submission) -> Iterable[Objection]:
    """Every line about a check is about one that was planned, and evidence of a failure is there only where one was."""
    outcomes = {
        (event.check_id, event.attempt): event.outcome for event in given.events if isinstance(event, CheckFinished)
    }
    for event in given.events:
        check_id = getattr(event, "check_id", None)
        if check_id is not None and check_id not in given.record.checks:
            yield _wrong("lines about planned checks alone", check_id)
        elif isinstance(event, DiagnosticsTaken):
            outcome = outcomes.get((event.check_id, event.attempt), "failed")
            if outcome != "failed":
                yield _wrong(f"no evidence of a failure of {event.check_id}, which {outcome}", "some")
