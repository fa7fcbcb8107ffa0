"""A platform under the checks, as a person would run them: a process of its own, its exit code and its summary."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Final

from harness.outcome import ExitCode, HarnessFault
from harness.selftest.case import Case

Runner = Callable[[Sequence[str]], "CompletedProcess[str]"]
VERDICTS: Final = (ExitCode.CONFORMANT, ExitCode.NOT_CONFORMANT)
COMPLAINT: Final = 400
"""Characters of what a failed run said last."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that failed: which, what it names as broken, and whose fault that is."""

    requirement: str
    check: str
    blame: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run came to."""

    exit_code: int
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> frozenset[str]:
        """Requirements that checks found broken: a check that could not even begin has found nothing."""
        return frozenset(finding.requirement for finding in self.findings if finding.blame == "platform")

    @property
    def undecided(self) -> tuple[Finding, ...]:
        """Checks that failed for another reason than the platform."""
        return tuple(finding for finding in self.findings if finding.blame != "platform")

    def noticed_by(self, requirement: str) -> str | None:
        """The name of the first check that found it broken."""
        found = (one for one in self.findings if one.blame == "platform" and one.requirement == requirement)
        return next((one.check.rpartition("::")[2] for one in found), None)


@dataclass(frozen=True, slots=True)
class Trial:
    """A case, and what the run on its platform came to; `fault` says why it came to no verdict."""

    case: Case
    seconds: float
    judgement: Judgement = Judgement(ExitCode.INVALID, ())
    fault: str = ""

    @property
    def missing(self) -> list[str]:
        """What had to be found broken, and was not."""
        return sorted(self.case.must - self.judgement.broken)

    @property
    def beside(self) -> list[str]:
        """What was found broken on a platform that keeps it, or came to no verdict there."""
        undecided = {f"{one.requirement} ({one.blame})" for one in self.judgement.undecided}
        return sorted((self.judgement.broken - self.case.must) | undecided) if self.case.exact else []

    @property
    def passed(self) -> bool:
        """Whether the suite saw what is wrong, by its exit code too, and where that is demanded nothing else."""
        # upstream's weaknesses are in rows that judge nobody (`observe`)
        wanted = ExitCode.NOT_CONFORMANT if self.case.kind == "defect" else ExitCode.CONFORMANT
        return not self.fault and self.judgement.exit_code == wanted and not self.missing and not self.beside


def attempt(case: Case, out: Path, run: Runner) -> Trial:
    """Judge the platform. Whatever keeps the run from a verdict is a trial that did not pass: others are worth their time still."""
    began = time.monotonic()
    command = [sys.executable, "-m", "harness", "run", *case.command, "--out", str(out)]
    done = run(command)
    try:
        judgement = _judgement(out, done)
    except HarnessFault as fault:
        return Trial(case, time.monotonic() - began, fault=str(fault))
    return Trial(case, time.monotonic() - began, judgement)


def _judgement(out: Path, done: "CompletedProcess[str]") -> Judgement:
    """Raises HarnessFault when the run came to no verdict."""
    said = _last_words(done.stderr.strip() or done.stdout)
    try:
        summary: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    except (OSError, ValueError) as error:
        raise HarnessFault(f"the run left no summary (exit {done.returncode}): {said}") from error
    if done.returncode not in VERDICTS:
        verdict = _last_words(summary["verdict"])
        raise HarnessFault(f"the run came to no verdict (exit {done.returncode}): {verdict}; it said: {said}")
    return Judgement(
        done.returncode,
        tuple(Finding(one["requirement"], one["check"], one["blame"]) for one in summary["failures"]),
    )


def _last_words(text: str) -> str:
    """The end of what was said, on one line."""
    return " ".join(text.split())[-COMPLAINT:]
