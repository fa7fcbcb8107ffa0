"""One broken platform under the checks, as a person would run them: a process of its own, its exit code and its summary."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.outcome import ExitCode, HarnessFault
from harness.selftest.gallery import Defect


@dataclass(frozen=True, slots=True)
class Trial:
    """What a run on a broken platform came to. `noticed`: requirements that the failures name."""

    defect: Defect
    exit_code: int
    noticed: frozenset[str]
    out: Path

    @property
    def killed(self) -> bool:
        """Whether the suite saw it: exit 1, and a failure that names what is broken."""
        return self.exit_code == ExitCode.NOT_CONFORMANT and bool(self.noticed & set(self.defect.requirements))


def try_defect(defect: Defect, out: Path, arguments: Sequence[str] = ()) -> Trial:
    """Judge the broken platform; `arguments` go to `run` (to choose checks). Raises HarnessFault when the run left no summary."""
    command = [
        sys.executable,
        "-m",
        "harness",
        "run",
        *defect.arguments,
        "--out",
        str(out),
        "--quiet",
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        summary: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    except (OSError, ValueError) as error:
        raise HarnessFault(
            f"the run on the platform {defect.name} left no summary (exit {done.returncode}): {done.stderr.strip()[-400:]}"
        ) from error
    if done.returncode not in (ExitCode.CONFORMANT, ExitCode.NOT_CONFORMANT):
        raise HarnessFault(
            f"the platform {defect.name} could not be judged (exit {done.returncode}): {done.stderr.strip()[-400:]}"
        )
    noticed = frozenset(str(failure["requirement"]) for failure in summary["failures"])
    return Trial(defect, done.returncode, noticed, out)
