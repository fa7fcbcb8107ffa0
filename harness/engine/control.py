"""The process that a person started: opens the target once, hands it to workers, follows their journals, and ends with a verdict."""

import os
import secrets
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest

from harness.client.secret import revealed
from harness.engine.canary import CanaryGate
from harness.engine.events import (
    CheckFinished,
    CollectionFailed,
    Failure,
    LeftBehind,
    RunFinished,
    RunStarted,
    WorkerLost,
)
from harness.engine.interruption import Interruption, guarded
from harness.engine.redaction import redact
from harness.engine.run_journal import RunJournal
from harness.engine.settings import RunSettings
from harness.engine.verdict import conclude
from harness.kube.cluster import Cluster
from harness.kube.janitor import sweep
from harness.kube.wait import Bound
from harness.outcome import ExitCode, Fault
from harness.platforms.platform import Platform
from harness.platforms.target import open_target
from harness.spec.catalogue import Catalogue
from harness.spec.profile import Profile

SECRETS_KEY: Final = "maas_secrets"
"""Where a worker leaves the texts it revealed, for the final scan: in memory and through the pipe to its starter, never on disk."""
INPUT_KEY: Final = "maas"
DELETION_BOUND: Final = Bound("deletion_bound_s", 120)


class Control:
    """A pytest plugin of the process that a person started, with or without workers below it."""

    def __init__(self, settings: RunSettings, catalogue: Catalogue, profile: Profile, journal: RunJournal) -> None:
        self.settings = settings
        self.run_id = secrets.token_hex(6)
        self.journal = journal
        self.platform: Platform | None = None
        self.fault: Fault | None = None
        self.suite_digest = ""
        self._catalogue = catalogue
        self._profile = profile
        self._began = time.monotonic()
        self._stack = ExitStack()
        self._interruption = Interruption()
        self._private = Path(tempfile.mkdtemp(prefix="maas-conformance-"))
        self._stack.callback(shutil.rmtree, self._private, ignore_errors=True)
        self.gate = CanaryGate(self._private / "canary-finished")
        self._secrets: set[str] = set()
        self._ended = False

    # opening ---------------------------------------------------------------------------------------------------------

    def open(self) -> Platform:
        """Bring the platform up, or read its file. Raises Fault after the reports of a run without checks have been written."""
        self._interruption.arm()
        try:
            platform = self._open_platform()
        except Fault as fault:
            self.fault = fault
            self._end(fault.code, redact(str(fault)))
            raise
        except KeyboardInterrupt:
            self._end(ExitCode.INVALID, f"{self._interruption.reason or 'interrupted'} before any check")
            raise
        self.platform = platform
        platform.save(self._private / "platform.json")
        self.journal.write(
            RunStarted(
                at=self.journal.part.now(),
                run_id=self.run_id,
                suite_version=version("maas-conformance"),
                target=platform.target,
                stack=platform.stack,
                profile=self.settings.profile,
                arguments=tuple(map(redact, self.settings.arguments)),
                versions=dict(platform.versions),
                parameters=platform.parameters.model_dump(),
                startup_s=platform.startup_s,
                catalogue_digest=self._catalogue.digest,
                suite_digest=self.suite_digest,
            )
        )
        return platform

    def _open_platform(self) -> Platform:
        if self.settings.platform_file is not None:
            return Platform.load(self.settings.platform_file)
        return self._stack.enter_context(open_target(self.settings.target, self.journal.step))

    def worker_input(self) -> dict[str, Any]:
        """What a worker needs to judge the same platform in the same run."""
        return {
            "platform": str(self._private / "platform.json"),
            "out": str(self.journal.out),
            "run_id": self.run_id,
            "gate": str(self._private / "canary-finished"),
            "pids": str(self._private),
        }

    # following -------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self) -> None:
        """Read what the worker wrote before it reported; let the others start when no canary is outstanding."""
        self._follow()

    @pytest.hookimpl
    def pytest_runtest_logfinish(self) -> None:
        """The verdict of a check is written before its end is reported."""
        self._follow()

    def _follow(self) -> None:
        self.journal.follow()
        checks = self.journal.record.checks.values()
        if checks and all(check.outcome is not None for check in checks if check.planned.canary):
            self.gate.open()

    @pytest.hookimpl
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read is a fault of the suite: nothing in it is judged. Every worker reports it, one is enough."""
        where = report.nodeid or "the collection"
        if report.failed and all(known.where != where for known in self.journal.record.collection_failures):
            self.journal.write(
                CollectionFailed(
                    at=self.journal.part.now(),
                    where=where,
                    problem=redact(report.longreprtext),
                )
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """A worker died in the midst of a check: nothing can be said of that check."""
        self.journal.follow()
        check = self.journal.record.checks.get(crashitem)
        if check is None:
            return
        requirement = self._catalogue.get(check.planned.requirements[0])
        self.journal.write(
            CheckFinished(
                at=self.journal.part.now(),
                check_id=crashitem,
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
        )
        self._follow()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """Take over what the worker revealed, and note when it did not end by itself."""
        self._secrets.update(getattr(node, "workeroutput", {}).get(SECRETS_KEY, ()))
        if error and self._interruption.reason is None and error != "keyboard-interrupt":
            self.journal.write(
                WorkerLost(
                    at=self.journal.part.now(), name=node.gateway.id, check_id=None, reason=redact(str(error))[:500]
                )
            )

    # ending ----------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """When interrupted, ask the workers to tear their worlds down; killed, they would leave them."""
        if self._interruption.reason:
            self.gate.open()
            for file in self._private.glob("*.pid"):
                with suppress(ProcessLookupError, ValueError):
                    os.kill(int(file.read_text(encoding="ascii")), signal.SIGTERM)

    def conclude(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the target, write the reports, and give the session its exit code."""
        self.journal.follow()
        if (
            not self.journal.record.proofs
            and not self.journal.record.collection_failures
            and not self._interruption.reason
        ):
            # the session judged nothing: plain tests keep pytest's own status
            code, reason = ExitCode.USAGE, "no check was found"
        elif exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            code, reason = ExitCode.HARNESS, "pytest failed internally"
        else:
            code, reason = conclude(
                self.journal.record,
                interrupted=self._interruption.reason,
                strict=self._profile.strict,
                catalogue=self._catalogue,
            )
        session.exitstatus = self._end(code, reason)

    def _end(self, code: ExitCode, reason: str) -> int:
        """Leave nothing behind, then write everything; signals wait meanwhile."""
        if not self._ended:
            self._ended = True
            guarded(lambda: self._close(code, reason))
            self._interruption.disarm()
        finished = self.journal.record.finished
        return finished.exit_code if finished else code

    def _close(self, code: ExitCode, reason: str) -> None:
        left: tuple[str, ...] = ()
        try:
            self._sweep()
            self._stack.close()
        except Fault as fault:
            left, code, reason = (
                (redact(str(fault)),),
                ExitCode.HARNESS,
                f"the target did not close: {redact(str(fault))}",
            )
        part = self.journal.part
        self.journal.write(LeftBehind(at=part.now(), objects=left))
        end = RunFinished(
            at=part.now(), duration_s=round(time.monotonic() - self._began, 3), exit_code=code, reason=reason
        )
        self.journal.finish(end, revealed() | frozenset(self._secrets))

    def _sweep(self) -> None:
        """Remove what checks could not: a killed worker tears nothing down. A platform that ends with the run takes it along."""
        platform = self.platform
        own = platform is not None and platform.target == "embedded" and self.settings.platform_file is None
        if platform is None or own or platform.kubeconfig is None or self.settings.target.keep:
            return
        swept = sweep(Cluster.connect(platform.kubeconfig), run_id=self.run_id, bound=DELETION_BOUND)
        if swept:
            self.journal.step(f"removed {len(swept)} objects that checks left: {', '.join(map(str, swept[:5]))}")

    def close(self) -> None:
        """The last resort, for sessions that ended before they began."""
        self._end(ExitCode.INVALID, self._interruption.reason or "the session ended before any check")
