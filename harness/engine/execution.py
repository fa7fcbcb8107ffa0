"""Runs checks: attempts, outcomes, and the evidence of a failure, into the journal of this process."""

import time
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from _pytest.runner import runtestprotocol  # the documented way to run one item again, if not a public name

from harness.engine.alone import AloneChecks
from harness.engine.book_slices import book_slices
from harness.engine.canary import CanaryGate
from harness.engine.check_recorder import CheckRecorder
from harness.engine.declaration import CheckDeclaration, declaration_of
from harness.engine.events import CheckFinished, CheckStarted, DiagnosticsTaken, Failure, Outcome
from harness.engine.evidence import LogPosition, object_states
from harness.engine.journal import JournalPart
from harness.engine.preloading import libraries_of, preload
from harness.engine.redaction import redact
from harness.engine.selection import NOT_RUNNABLE
from harness.engine.verdict import failure_of
from harness.platforms.platform import Platform
from harness.spec.catalogue import Catalogue

_OUTCOME: Final = "maas_outcome"
"""Attribute of a report that travels from worker to controller: the class of the check's final attempt."""
TRACEBACK_LIMIT: Final = 16_384
_NOT_RUNNABLE_PREFIX: Final = "not runnable: "


class _Attempt:
    """What one attempt of a check gathers while it runs."""

    def __init__(self, declaration: CheckDeclaration, number: int, recorder: CheckRecorder, logs: LogPosition) -> None:
        self.declaration = declaration
        self.number = number
        self.recorder = recorder
        self.logs = logs
        self.began = time.monotonic()
        self.began_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.failure: Failure | None = None


_ATTEMPT: Final = pytest.StashKey[_Attempt]()


class Execution:
    """A pytest plugin of every process that runs checks. A check that passes only after a retry is `passed_on_retry`, never `passed`."""

    def __init__(
        self,
        part: JournalPart,
        platform: Platform,
        catalogue: Catalogue,
        retries: int,
        gate: CanaryGate | None,
        alone: AloneChecks | None = None,
    ) -> None:
        self._part = part
        self._platform = platform
        self._catalogue = catalogue
        self._retries = retries
        self._gate = gate
        self._alone = alone

    @property
    def platform(self) -> Platform:
        """The platform under test."""
        return self._platform

    def recorder_of(self, item: pytest.Item) -> CheckRecorder:
        """The recorder of the attempt that is running."""
        attempt = item.stash.get(_ATTEMPT, None)
        return attempt.recorder if attempt else CheckRecorder(self._part, item.nodeid)

    @pytest.hookimpl
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without a canary among them, checks wait for nothing."""
        if not any(declared.canary for item in session.items if (declared := declaration_of(item))):
            self._gate = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run one check with all its attempts; other tests are pytest's own business."""
        declaration = declaration_of(item)
        if declaration is None:
            return None
        if self._alone and self._alone.defers(item):
            return True
        if self._alone and nextitem and self._alone.defers(nextitem):
            nextitem = (
                None  # what this worker shares among checks goes now: later, a stopped component could be in its way
            )
        if self._gate and not declaration.canary:
            self._gate.wait(lambda: preload(libraries_of(item.session.items)))
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        last = 1 if declaration.canary else 1 + self._retries
        for number in range(1, last + 1):
            reports, outcome = self._attempt(item, declaration, number, nextitem)
            if outcome != "failed":
                break
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _attempt(
        self, item: pytest.Item, declaration: CheckDeclaration, number: int, nextitem: pytest.Item | None
    ) -> tuple[list[pytest.TestReport], Outcome]:
        part, check_id = self._part, declaration.check_id
        attempt = _Attempt(declaration, number, CheckRecorder(part, check_id), LogPosition.now(self._platform))
        item.stash[_ATTEMPT] = attempt
        part.write(CheckStarted(at=part.now(), worker=part.worker, check_id=check_id, attempt=number))
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        outcome, reason = _outcome(reports, item, number)
        for report in reports:
            setattr(report, _OUTCOME, outcome)
        part.write(
            CheckFinished(
                at=part.now(),
                worker=part.worker,
                check_id=check_id,
                outcome=outcome,
                attempt=number,
                duration_s=round(time.monotonic() - attempt.began, 6),
                reason=reason,
                failure=attempt.failure,
            )
        )
        return reports, outcome

    @pytest.hookimpl
    def pytest_exception_interact(
        self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any], report: pytest.TestReport
    ) -> None:
        """Name the failure and take the surroundings, before any fixture is torn down; the first failure of an attempt counts."""
        attempt = node.stash.get(_ATTEMPT, None)
        if attempt is None or call.excinfo is None or attempt.failure is not None:
            return
        attempt.failure = failure_of(call.excinfo.value, attempt.declaration, self._catalogue, attempt.recorder.last)
        objects, unseen = object_states(self._platform, attempt.began_at)
        books, unread = book_slices(self._platform, attempt.recorder.latest, _objects_of(node))
        self._part.write(
            DiagnosticsTaken(
                at=self._part.now(),
                worker=self._part.worker,
                check_id=attempt.declaration.check_id,
                attempt=attempt.number,
                objects=objects,
                logs=attempt.logs.since(self._platform, attempt.recorder.request_ids | _objects_of(node)),
                books=books,
                traceback=redact(report.longreprtext)[-TRACEBACK_LIMIT:],
                unavailable=unseen + unread,
            )
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Mask what pytest itself will print, here where the credentials are known."""
        report = yield
        if declaration_of(item) is not None:
            report.sections = [(name, redact(text)) for name, text in report.sections]
            text = report.longreprtext
            if report.failed and redact(text) != text:
                report.longrepr = redact(text)
        return report


def _objects_of(node: pytest.Item | pytest.Collector) -> set[str]:
    """The name that all objects of the check's own world carry in theirs."""
    world = getattr(node, "funcargs", {}).get("world")
    name = getattr(world, "name", None)
    return {name} if isinstance(name, str) and name else set()


def status_of(report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
    """Category, letter and word for `not_runnable` and `passed_on_retry`; None leaves a report to pytest."""
    outcome = getattr(report, _OUTCOME, None)
    if outcome == "not_runnable" and report.skipped:
        return "not runnable", "n", "NOT RUNNABLE"
    if outcome == "passed_on_retry" and isinstance(report, pytest.TestReport) and report.when == "call":
        return "passed on retry", "R", "PASSED ON RETRY"
    return None


def _outcome(reports: list[pytest.TestReport], item: pytest.Item, number: int) -> tuple[Outcome, str | None]:
    """The class of one attempt, and why where it is not passed."""
    if any(report.failed for report in reports):
        return "failed", None
    for report in reports:
        if report.skipped:
            reason = _skip_reason(report)
            declared = item.stash.get(NOT_RUNNABLE, None)
            if declared or reason.startswith(_NOT_RUNNABLE_PREFIX):
                return "not_runnable", declared or reason.removeprefix(_NOT_RUNNABLE_PREFIX)
            return "skipped", redact(reason)
    return ("passed" if number == 1 else "passed_on_retry"), None


def _skip_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return getattr(report, "wasxfail", "") or "skipped without a reason"
