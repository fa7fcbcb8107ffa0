"""The process that a person started: opens the target once, hands it to workers, follows their journals, and ends with a verdict."""

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

import pytest

from harness.client.secret import revealed
from harness.engine.aftermath import sweep_objects, target_died
from harness.engine.alone import AloneTurn
from harness.engine.canary import CanaryGate
from harness.engine.continuation import refuse_another
from harness.engine.events import LeftBehind, RunFinished, RunStarted
from harness.engine.interruption import Interruption, guarded
from harness.engine.mishaps import Mishaps
from harness.engine.private_folder import private_folder
from harness.engine.reach import answers
from harness.engine.redaction import redact
from harness.engine.run_journal import RunJournal
from harness.engine.settings import RunSettings
from harness.engine.verdict import broken_in, conclude
from harness.outcome import EnvironmentFault, ExitCode, Fault, UsageFault
from harness.platforms.platform import Platform
from harness.platforms.target import open_target
from harness.spec.catalogue import Catalogue
from harness.spec.profile import Profile

INPUT_KEY: Final = "maas"


class Control:
    """A pytest plugin of the process that a person started, with or without workers below it."""

    def __init__(self, settings: RunSettings, catalogue: Catalogue, profile: Profile, journal: RunJournal) -> None:
        self.settings = settings
        self.run_id = secrets.token_hex(6)
        self.journal = journal
        self.platform: Platform | None = None
        self.fault: Fault | None = None
        self.suite_digest = ""
        self.maxfail = 0
        self.until_broken: frozenset[str] = frozenset()
        self._catalogue = catalogue
        self._profile = profile
        self._began = time.monotonic()
        self._stack = ExitStack()
        self._interruption = Interruption()
        self._private = self._stack.enter_context(private_folder())
        self.gate = CanaryGate(self._private / "canary-finished")
        self.alone = AloneTurn(self._private)
        self.mishaps = Mishaps(journal, catalogue, self._interruption)
        self._ended = False
        self._seen_enough = False

    # opening ---------------------------------------------------------------------------------------------------------

    def open(self) -> Platform:
        """Bring the platform up, or read its file.

        Raises UsageFault with nothing written, another Fault after the reports of a run without checks have been written.
        """
        self._interruption.arm()
        try:
            platform = self._open_platform()
            start = self._start_of(platform)
            if self.settings.resume:
                refuse_another(self.settings.resume, start)
        except UsageFault as fault:
            self.fault = fault
            self._withdraw()
            raise
        except Fault as fault:
            self.fault = fault
            self._end(fault.code, redact(str(fault)))
            raise
        except KeyboardInterrupt:
            self._end(ExitCode.INVALID, f"{self._interruption.reason or 'interrupted'} before any check")
            raise
        self.platform = platform
        self.journal.begin()
        platform.save(self._private / "platform.json")
        self.journal.write(start)
        for entry in self.settings.known_failures:
            self.journal.write(entry.declared(self.journal.part.now()))
        return platform

    def _start_of(self, platform: Platform) -> RunStarted:
        was_there = self.settings.platform_file is not None or platform.target in ("cluster", "endpoint")
        return RunStarted(
            at=self.journal.part.now(),
            run_id=self.run_id,
            suite_version=version("maas-conformance"),
            target=platform.target,
            stack=platform.stack,
            profile=self.settings.profile,
            arguments=tuple(map(redact, self.settings.arguments)),
            versions=dict(platform.versions),
            parameters=platform.parameters.model_dump(exclude_none=True),
            startup_s=platform.startup_s,
            catalogue_digest=self._catalogue.digest,
            suite_digest=self.suite_digest,
            seed=self.settings.seed,
            product=self.settings.product,
            identity=redact(platform.endpoints.gateway) if was_there else "",
        )

    def _open_platform(self) -> Platform:
        file = self.settings.platform_file
        if file is not None:
            platform = Platform.load(file)
            if not answers(platform.endpoints.gateway):
                raise EnvironmentFault(
                    f"the platform of {file} does not answer at {platform.endpoints.gateway}: start it (`maas-conformance up`), "
                    "or name another one"
                )
            return platform
        options = replace(self.settings.target, run_id=self.run_id)
        return self._stack.enter_context(open_target(options, self.journal.step))

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
        self._end_when_broken()
        if checks and all(check.outcome is not None for check in checks if check.planned.canary):
            self.gate.open()
        if 0 < self.maxfail <= len(self.journal.record.having("failed")):
            self.alone.give_up()
        elif checks and all(check.outcome is not None for check in checks if not check.planned.alone):
            self.alone.open()

    def _end_when_broken(self) -> None:
        """End the run in the orderly way of an interruption, though its verdict stands: what it was to find out is known.

        Raises KeyboardInterrupt, once.
        """
        if self.until_broken and not self._seen_enough and self.until_broken <= broken_in(self.journal.record):
            self._seen_enough = True
            raise KeyboardInterrupt("every requirement of --until-broken was found broken")

    # ending ----------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """When ended early, ask the workers to tear their worlds down; killed, they would leave them."""
        self.alone.give_up()
        if self._interruption.reason or self._seen_enough:
            self.gate.open()
            for file in self._private.glob("*.pid"):
                # A worker that got the signal itself has left already, and took its file along.
                with suppress(FileNotFoundError, ProcessLookupError, ValueError):
                    os.kill(int(file.read_text(encoding="ascii")), signal.SIGTERM)

    @property
    def began(self) -> bool:
        """Whether there is a run to report: not after a mistake of the person that kept it from beginning."""
        return not isinstance(self.fault, UsageFault)

    def _withdraw(self) -> None:
        """Leave the reports of an earlier run in the same folder as they are."""
        self._ended = True
        guarded(self._stack.close)
        self.journal.withdraw()
        self._interruption.disarm()

    def conclude(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the target, write the reports, and give the session its exit code."""
        if not self.began:
            session.exitstatus = ExitCode.USAGE
            return
        self.journal.follow()
        code, reason = self._verdict(exitstatus)
        if code not in (ExitCode.CONFORMANT, ExitCode.USAGE) and self.platform is not None:
            died = target_died(self.platform, self.journal.record)
            code, reason = (ExitCode.INVALID, f"{died}: nothing can be concluded") if died else (code, reason)
        ended = self._end(code, reason)
        # tests that are no checks have no part in the verdict, but a session in which one failed has not succeeded
        session.exitstatus = ended or (exitstatus if self.mishaps.plain_failures else ended)

    def _verdict(self, exitstatus: int) -> tuple[ExitCode, str]:
        record, interrupted = self.journal.record, self._interruption.reason
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR and not interrupted:
            return ExitCode.HARNESS, "pytest failed internally: see its output"
        return conclude(record, interrupted=interrupted, strict=self._profile.strict, catalogue=self._catalogue)

    def _end(self, code: ExitCode, reason: str) -> int:
        """Leave nothing behind, then write everything; signals wait meanwhile."""
        if not self._ended:
            self._ended = True
            guarded(lambda: self._close(code, reason))
            self._interruption.disarm()
        for problem in self.journal.unwritten:
            sys.stderr.write(f"maas-conformance: a report could not be written: {redact(problem)}\n")
        finished = self.journal.record.finished
        return ExitCode.HARNESS if self.journal.unwritten else finished.exit_code if finished else code

    def _close(self, code: ExitCode, reason: str) -> None:
        left = [*self._left_by(self._sweep), *self._left_by(self._stack.close)]
        if left:
            code, reason = ExitCode.HARNESS, f"not everything could be removed: {left[0]}"
        part = self.journal.part
        self.journal.write(LeftBehind(at=part.now(), objects=tuple(left)))
        duration_s = round(time.monotonic() - self._began, 3)
        end = RunFinished(at=part.now(), duration_s=duration_s, exit_code=code, reason=reason)
        self.journal.finish(end, revealed() | self.mishaps.secrets)

    @staticmethod
    def _left_by(step: Callable[[], None]) -> tuple[str, ...]:
        """What one step of leaving could not do: the next step is tried all the same."""
        try:
            step()
        except Fault as fault:
            return (redact(str(fault)),)
        return ()

    def _sweep(self) -> None:
        """Look for objects of this run, unless the platform ends with it and takes them along."""
        platform, settings = self.platform, self.settings
        ends_with_us = platform is not None and platform.target == "embedded" and settings.platform_file is None
        if platform is None or ends_with_us or settings.target.keep:
            return
        swept = sweep_objects(platform, self.run_id)
        if swept:
            self.journal.step(
                f"removed {len(swept)} objects that checks shared or left: {', '.join(map(str, swept[:5]))}"
            )

    def close(self) -> None:
        """The last resort, for sessions that ended before they began."""
        self._end(ExitCode.INVALID, self._interruption.reason or "the session ended before any check")
