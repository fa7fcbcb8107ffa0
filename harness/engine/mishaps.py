"""What goes wrong beside the checks, into the journal: files that cannot be read, workers that die, tests that are no checks."""

from typing import Any, Final

import pytest

from harness.engine.events import CheckFinished, CollectionFailed, Failure, WorkerLost
from harness.engine.interruption import Interruption
from harness.engine.record import CheckRecord
from harness.engine.redaction import redact
from harness.engine.run_journal import RunJournal
from harness.spec.catalogue import Catalogue

SECRETS_KEY: Final = "maas_secrets"
"""Where a worker leaves the texts it revealed, for the final scan: in memory and through the pipe to its starter, never on disk."""
REASON_LIMIT: Final = 500


class Mishaps:
    """A pytest plugin of the process that a person started."""

    def __init__(self, journal: RunJournal, catalogue: Catalogue, interruption: Interruption) -> None:
        self._journal = journal
        self._catalogue = catalogue
        self._interruption = interruption
        self.secrets: set[str] = set()
        self.plain_failures = 0

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count failures of tests that are no checks: the run's verdict does not speak for them."""
        if report.failed and report.nodeid not in self._journal.record.checks:
            self.plain_failures += 1

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read is a fault of the suite: nothing in it is judged. Every worker reports it, one is enough."""
        where = report.nodeid or "the collection"
        if report.failed and all(known.where != where for known in self._journal.record.collection_failures):
            problem = redact(report.longreprtext)
            self._journal.write(CollectionFailed(at=self._journal.part.now(), where=where, problem=problem))

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """A worker died in the midst of a check: nothing can be said of that check."""
        self._journal.follow()
        check = self._journal.record.checks.get(crashitem)
        if check is not None and check.outcome is None:
            self._journal.write(self._died(check))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """Take over what the worker revealed, and note when it did not end by itself."""
        self.secrets.update(getattr(node, "workeroutput", {}).get(SECRETS_KEY, ()))
        if error and self._interruption.reason is None and error != "keyboard-interrupt":
            reason = redact(str(error))[:REASON_LIMIT]
            lost = WorkerLost(at=self._journal.part.now(), name=node.gateway.id, check_id=None, reason=reason)
            self._journal.write(lost)
            self._follow_up(node.gateway.id)

    def _follow_up(self, worker: str) -> None:
        """Give a verdict to what the worker was running, which xdist does not know of a check that runs alone."""
        for check in self._journal.record.checks.values():
            if check.planned.alone and check.outcome is None and any(one.worker == worker for one in check.started):
                self._journal.write(self._died(check))

    def _died(self, check: CheckRecord) -> CheckFinished:
        requirement = self._catalogue.get(check.planned.requirements[0])
        return CheckFinished(
            at=self._journal.part.now(),
            check_id=check.planned.check_id,
            outcome="failed",
            attempt=len(check.attempts) + 1,
            duration_s=0.0,
            failure=Failure(
                title=f"{requirement.id}: {requirement.requirement}",
                requirement=requirement.id,
                requirement_text=requirement.requirement,
                expected=requirement.expectation,
                observed="the test worker died while this check ran",
                curl=check.exchanges[-1].curl if check.exchanges else None,
                blame="harness",
                detail="",
            ),
        )
