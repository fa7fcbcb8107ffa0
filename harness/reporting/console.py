"""What a person sees while checks run: a live view on a terminal, plain lines elsewhere."""

import os
import sys
from typing import TextIO

from harness.engine.events import AnyEvent, CheckFinished, CollectionFailed, RunFinished, RunStarted, StepTaken
from harness.engine.record import RunRecord
from harness.reporting.areas import area_of, areas_of
from harness.reporting.outline import canary_line, failures_line, summary_lines, word_of


class PlainConsole:
    """Lines for logs and pipes: quiet (-1) tells the end alone, normal (0) areas as they complete and failures, verbose (1) every check."""

    def __init__(self, file: TextIO, out: str, verbosity: int) -> None:
        self._file = file
        self._out = out
        self._verbosity = verbosity
        self._told: set[str] = set()
        self._ended = False

    def on_event(self, event: AnyEvent, record: RunRecord) -> None:
        """Say what this event is worth at this verbosity."""
        match event:
            case StepTaken() if self._verbosity >= 0:
                self._say(f"  {event.text}")
            case RunStarted() if self._verbosity >= 0:
                self._say(f"judging {event.target} ({event.stack}), profile {event.profile}")
            case CheckFinished():
                self._finished(event, record)
            case CollectionFailed() if self._verbosity >= 0:
                self._say(f"cannot collect {event.where}")
            case RunFinished() if not record.credentials_in:
                self._end(record)
            case _:
                pass

    def finish(self, record: RunRecord) -> None:
        """Say it again only when the verdict was corrected after it had been said."""
        if record.credentials_in and self._ended:
            self._ended = False
            self._end(record)

    def _finished(self, event: CheckFinished, record: RunRecord) -> None:
        check = record.checks.get(event.check_id)
        if check is None or self._verbosity < 0:
            return
        if self._verbosity > 0:
            reason = f" ({event.reason})" if event.reason else ""
            word = (check.outcome or event.outcome).replace("_", " ").upper()
            self._say(f"{word:<15} {event.check_id} {event.duration_s:.2f} s{reason}")
        if event.outcome == "failed" and check.planned.canary:
            self._say(canary_line(check))
        if event.outcome == "failed" and event.failure is not None:
            self._say(f"{word_of(check)} {event.failure.title} ({event.check_id})")
        self._tell_area(event, record)

    def _tell_area(self, event: CheckFinished, record: RunRecord) -> None:
        name = area_of(record, event.check_id)
        area = next(area for area in areas_of(record) if area.name == name)
        if self._verbosity == 0 and area.done == area.total and name not in self._told:
            self._told.add(name)
            checks = f"{area.total} check{'s' if area.total > 1 else ''}"
            self._say(f"{name}: {', '.join(filter(None, (checks, failures_line(area.failed, area.weaknesses))))}")

    def _end(self, record: RunRecord) -> None:
        if self._ended:
            return
        self._ended = True
        for line in summary_lines(record, self._out, self._verbosity):
            self._say(line)

    def _say(self, line: str) -> None:
        self._file.write(line + "\n")
        self._file.flush()


def terminal(*, to_stderr: bool) -> TextIO:
    """The terminal as it was when the session began: pytest replaces the standard streams while tests run, not this copy."""
    stream = sys.__stderr__ if to_stderr else sys.__stdout__
    assert stream is not None, "a command has its standard streams"
    return os.fdopen(os.dup(stream.fileno()), "w", encoding="utf-8", errors="replace")
