"""Every report of a run, put together: what is written where, and what is said at its end."""

import os
from pathlib import Path

from harness.engine.consumer import Consumer
from harness.engine.events import AnyEvent
from harness.engine.record import RunRecord
from harness.engine.settings import RunSettings
from harness.reporting.console import PlainConsole, terminal
from harness.reporting.github import GitHubReporter, on_github
from harness.reporting.outline import summary_lines
from harness.reporting.regenerate import writers


class Reports:
    """The consumers of one run; it is one itself, so that pytest's terminal can be told the end."""

    def __init__(self, out: Path, console: Consumer | None, verbosity: int, *, to_stderr: bool = False) -> None:
        self._out = out
        self._verbosity = verbosity
        self._record: RunRecord | None = None
        self._speaks = console is None
        spoken = (console,) if console else ()
        hosted = (GitHubReporter(os.environ, terminal(to_stderr=to_stderr)),) if on_github() else ()
        self.consumers: tuple[Consumer, ...] = (*writers(out), *spoken, *hosted, self)

    def on_event(self, event: AnyEvent, record: RunRecord) -> None:
        """Nothing to do before the end."""

    def finish(self, record: RunRecord) -> None:
        """Keep the record for the summary below pytest's own."""
        self._record = record

    def summary_lines(self) -> list[str]:
        """The end of the run for pytest's terminal; empty where our own console speaks."""
        if self._record is None or not self._speaks:
            return []
        return summary_lines(self._record, str(self._out), self._verbosity)


def reports_of(settings: RunSettings, *, verbosity: int) -> Reports:
    """All reports that these settings ask for."""
    console = _console(settings, verbosity) if settings.own_console else None
    return Reports(settings.out, console, verbosity, to_stderr=settings.json)


def _console(settings: RunSettings, verbosity: int) -> Consumer:
    file = terminal(to_stderr=settings.json)
    if verbosity < 0 or not file.isatty() or os.environ.get("TERM") == "dumb":
        return PlainConsole(file, str(settings.out), verbosity)
    from harness.reporting.live import LiveConsole

    return LiveConsole(file, str(settings.out), verbosity)
