"""What a self-test tells while it goes on, and at its end: a line for each platform, and a table."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.selftest.case import Case
from harness.selftest.trial import Trial

REFRESH_PER_S = 2
_GOOD = {"defect": "noticed", "control": "conformant", "weaknesses": "exact"}
_BAD = {"defect": "NOT NOTICED", "control": "NOT CONFORMANT", "weaknesses": "NOT EXACT"}


class Progress:
    """Tells of so many trials; on a terminal also which platforms are being judged, and since when."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._ended = 0
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw for the length of the block, where somebody watches; a file gets the lines alone."""
        if not self._console.is_terminal:
            yield
            return
        with Live(self, console=self._console, refresh_per_second=REFRESH_PER_S, transient=True):
            yield

    def began(self, case: Case) -> None:
        """A platform is being brought up; called from any thread."""
        with self._lock:
            self._running[case.name] = time.monotonic()

    def ended(self, trial: Trial) -> None:
        """Tell of one that was judged."""
        with self._lock:
            self._running.pop(trial.case.name, None)
            self._ended += 1
        width = len(str(self._total))
        line = f"{self._ended:>{width}} of {self._total}  {outcome(trial):<14} {trial.case.name}  {trial.seconds:.1f} s  {reason(trial)}"
        self._console.print(Text(line, style="" if trial.passed else "bold red"), soft_wrap=True)

    def __rich__(self) -> Table:
        """One row for each platform that is being judged."""
        with self._lock:
            running = dict(self._running)
        table = Table.grid(padding=(0, 2))
        for name, began in running.items():
            table.add_row(Text(name, style="dim"), Text(f"{time.monotonic() - began:.0f} s", style="dim"))
        table.add_row(f"{self._ended} of {self._total}", "")
        return table


def outcome(trial: Trial) -> str:
    """What became of it, in one or two words."""
    if trial.fault:
        return "NO VERDICT"
    return (_GOOD if trial.passed else _BAD)[trial.case.kind]


def reason(trial: Trial) -> str:
    """Which check found which requirement broken; what is missing, and what is too much."""
    if trial.fault:
        return trial.fault
    parts = []
    if trial.missing:
        parts.append(f"not reported: {', '.join(trial.missing)}")
    if trial.beside:
        parts.append(f"reported, though the platform keeps it: {', '.join(trial.beside)}")
    seen = sorted(trial.judgement.broken)
    if trial.case.kind == "defect":
        parts += [f"{row} by {trial.judgement.noticed_by(row)}" for row in seen if row in trial.case.must]
        if trial.missing:
            others = [row for row in seen if row not in trial.case.must]
            parts.append(f"found instead: {', '.join(others) or 'nothing'}")
    elif not parts:
        parts.append(f"{len(seen)} weaknesses, and nothing else" if seen else "nothing found broken")
    return "; ".join(parts)


def table_of(trials: Sequence[Trial]) -> Table:
    """Platform by platform: what is wrong with it, what became of it, and what noticed."""
    table = Table(title="Platforms on trial", title_justify="left")
    table.add_column("platform", no_wrap=True)
    table.add_column("what is wrong", overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    table.add_column("found broken by", overflow="fold")
    for trial in trials:
        found = reason(trial).replace("; ", "\n")
        cells = (trial.case.name, trial.case.wrong, outcome(trial), f"{trial.seconds:.0f}", found)
        # as texts: names of checks have brackets, which would be taken for markup
        table.add_row(*map(Text, cells), style="" if trial.passed else "bold red")
    return table
