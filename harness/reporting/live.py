"""The live view on a terminal: what came up, one line an area that is being judged, failures as they happen, and the time left."""

import time
from typing import Final, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.engine.events import AnyEvent, CheckFinished, CollectionFailed, RunFinished, RunStarted, StepTaken
from harness.engine.record import RunRecord
from harness.reporting.areas import AreaCount, areas_of
from harness.reporting.outline import canary_line, classes_line, failures_line, summary_lines, word_of

REFRESH_PER_S: Final = 8
_STYLES: Final = {
    "!!!": "bold white on red",
    "FAILED": "bold red",
    "WEAKNESS": "yellow",
    "KNOWN FAILURE": "magenta",
    "NOT COLLECTED": "bold red",
    "CONFORMANT EXCEPT": "bold yellow",
    "CONFORMANT": "bold green",
    "NOT CONFORMANT": "bold red",
    "passed on retry": "yellow",
    "known failure": "magenta",
}


class LiveConsole:
    """Draws while the run lives; its end is the same text that a plain console prints."""

    def __init__(self, file: TextIO, out: str, verbosity: int) -> None:
        self._console = Console(file=file, highlight=False, soft_wrap=True)
        self._out = out
        self._verbosity = verbosity
        self._live = Live(
            console=self._console,
            refresh_per_second=REFRESH_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._began: float | None = None
        self._ended = False

    def on_event(self, event: AnyEvent, record: RunRecord) -> None:
        """Redraw, and print above the drawing what should stay."""
        if not self._live.is_started and not self._ended:
            self._live.start()
        match event:
            case StepTaken():
                self._live.update(Text(f"  {event.text}", style="dim"))
            case RunStarted():
                ready = f", ready in {event.startup_s:.1f} s" if event.startup_s is not None else ""
                self._console.print(f"judging {event.target} ({event.stack}), profile {event.profile}{ready}")
            case CheckFinished():
                self._tell(event, record)
                self._live.update(self._drawing(record))
            case CollectionFailed():
                self._console.print(f"cannot collect {event.where}", style="bold red")
            case RunFinished() if not record.credentials_in:
                self._end(record)
            case _:
                pass

    def finish(self, record: RunRecord) -> None:
        """Say the end again only when it was corrected after it had been said."""
        if record.credentials_in and self._ended:
            self._end(record)

    def _tell(self, event: CheckFinished, record: RunRecord) -> None:
        self._began = self._began or time.monotonic()
        check = record.checks.get(event.check_id)
        if check is None:
            return
        if event.outcome == "failed" and check.planned.canary:
            self._console.print(canary_line(check), style=_STYLES["!!!"])
        name = check.planned.check_id.rpartition("::")[2]
        if (check.known or event.outcome == "failed") and event.failure:
            word = word_of(check)
            self._console.print(f"{word} {event.failure.title} ({name}{_again(event)})", style=_STYLES[word])
        elif event.outcome == "passed_on_retry":
            self._console.print(f"passed on retry: {check.planned.title} ({name}{_again(event)})", style="yellow")
        elif self._verbosity > 0:
            self._console.print(
                f"{event.outcome.replace('_', ' '):<15} {check.planned.title} ({event.duration_s:.2f} s)", style="dim"
            )

    def _drawing(self, record: RunRecord) -> Group:
        done, total = sum(record.counts.values()), len(record.checks)
        grid = Table.grid(padding=(0, 2))
        for area in areas_of(record):
            if 0 < area.done < area.total or area.failed or area.weaknesses:
                grid.add_row(area.name, _bar(area), f"{area.done}/{area.total}", _failed(area))
        overall = Table.grid(padding=(0, 2))
        overall.add_row(
            ProgressBar(total=max(total, 1), completed=done, width=40),
            f"{done}/{total}",
            classes_line(record),
            self._left(done, total),
        )
        return Group(grid, overall)

    def _left(self, done: int, total: int) -> Text:
        """Time left at the present pace; the first checks say too little about it."""
        if self._began is None or done < 3 or done >= total:
            return Text("")
        seconds = (time.monotonic() - self._began) / done * (total - done)
        return Text(f"{seconds:.0f} s left", style="dim")

    def _end(self, record: RunRecord) -> None:
        self._ended = True
        self._live.update(Text(""))
        self._live.stop()
        for line in summary_lines(record, self._out, self._verbosity):
            style = next((style for start, style in _STYLES.items() if line.startswith(start)), None)
            self._console.print(Text(line, style=style or ""))


def _again(event: CheckFinished) -> str:
    return f", attempt {event.attempt}" if event.attempt > 1 else ""


def _bar(area: AreaCount) -> ProgressBar:
    return ProgressBar(total=area.total, completed=area.done, width=20)


def _failed(area: AreaCount) -> Text:
    return Text(failures_line(area.failed, area.weaknesses), style="bold red" if area.failed else "yellow")
