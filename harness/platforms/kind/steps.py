"""Steps of making a kind cluster: each a command line or a deed of the harness, printable before it is taken."""

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.outcome import EnvironmentFault
from harness.platforms.target import Progress

STEP_TIMEOUT_S: Final = 1800.0
TAIL_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class Step:
    """Either `words`, a command, or `deed`, something the harness does itself and describes in `text`."""

    title: str
    words: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    deed: Callable[[], None] | None = None

    def printed(self) -> str:
        """As a person would type it; deeds as a comment."""
        if not self.words:
            return f"# {self.title}\n" + "\n".join(f"#   {line}" for line in self.text.splitlines())
        variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in self.environment.items())
        return f"# {self.title}\n{variables + ' ' if variables else ''}{shlex.join(self.words)}"

    def take(self) -> None:
        """Do it. Raises EnvironmentFault with the end of what the command said."""
        if self.deed is not None:
            self.deed()
        if self.words:
            run(self.words, self.environment, self.title)


def run(words: Sequence[str], environment: Mapping[str, str], title: str) -> None:
    """Run one command to its end. Raises EnvironmentFault when it is not there, fails or takes more than half an hour."""
    try:
        done = subprocess.run(
            list(words),
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise EnvironmentFault(f"{title}: there is no command {words[0]} on the PATH") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFault(f"{title}: {shlex.join(words)} did not end within {STEP_TIMEOUT_S:g} s") from error
    if done.returncode != 0:
        said = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-TAIL_LINES:]) or "  (it said nothing)"
        raise EnvironmentFault(f"{title}: {shlex.join(words)} ended with exit code {done.returncode}:\n{said}")


def take_all(steps: Sequence[Step], progress: Progress) -> None:
    """Take the steps in order, announcing each."""
    for number, step in enumerate(steps, start=1):
        progress(f"[{number}/{len(steps)}] {step.title}")
        step.take()


def printed(steps: Sequence[Step]) -> str:
    """All steps, as `--dry-run` shows them."""
    return "\n\n".join(step.printed() for step in steps) + "\n"
