"""A broken platform under the checks, as a person would run them: a process of its own, its exit code and its summary."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.outcome import ExitCode, HarnessFault
from harness.platforms.termination import sigterm_interrupts, uninterrupted
from harness.selftest.gallery import Defect

WEAK_PLATFORM: Final = ("--quirks", "upstream")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run came to. `noticed`: requirements that its failures name."""

    exit_code: int
    noticed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Trial:
    """A defect, and what the run on its platform came to."""

    defect: Defect
    judgement: Judgement

    @property
    def killed(self) -> bool:
        """Whether the suite saw it: exit 1, and a failure that names what is broken."""
        seen = self.judgement
        return seen.exit_code == ExitCode.NOT_CONFORMANT and bool(seen.noticed & set(self.defect.requirements))


def try_defect(defect: Defect, out: Path, arguments: Sequence[str] = ()) -> Trial:
    """Judge the broken platform; `arguments` go to `run` (to choose checks). Raises HarnessFault when the run left no summary."""
    return Trial(defect, judge(defect.name, out, [*defect.arguments, *arguments]))


def checks_of(defect: Defect) -> list[str]:
    """The choice of those checks alone that must notice: the others can only add to the evidence."""
    return [word for requirement in defect.requirements for word in ("--requirement", requirement)]


def try_weaknesses(out: Path) -> Judgement:
    """Judge a platform that repeats every weakness of upstream. Raises HarnessFault when the run left no summary."""
    return judge("of upstream's weaknesses", out, list(WEAK_PLATFORM))


def to_its_end(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command of ours. An interruption is passed on and waited for: killed, it would leave its platform behind."""
    with (
        sigterm_interrupts(),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
    ):
        try:
            said, complained = process.communicate()
        except BaseException:
            with uninterrupted():
                process.send_signal(
                    signal.SIGINT
                )  # Ctrl-C has reached it already, a signal to this process alone has not
                process.communicate()
            raise
    return subprocess.CompletedProcess(command, process.returncode, said, complained)


def judge(name: str, out: Path, arguments: Sequence[str]) -> Judgement:
    """One run. Raises HarnessFault when it came to no verdict."""
    command = [sys.executable, "-m", "harness", "run", *arguments, "--out", str(out), "--quiet"]
    done = to_its_end(command)
    try:
        summary: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    except (OSError, ValueError) as error:
        raise HarnessFault(
            f"the run on the platform {name} left no summary (exit {done.returncode}): {done.stderr.strip()[-400:]}"
        ) from error
    if done.returncode not in (ExitCode.CONFORMANT, ExitCode.NOT_CONFORMANT):
        raise HarnessFault(
            f"the platform {name} could not be judged (exit {done.returncode}): {done.stderr.strip()[-400:]}"
        )
    return Judgement(done.returncode, frozenset(str(failure["requirement"]) for failure in summary["failures"]))
