"""The controller's view of a run: its own part of the journal, everybody's events as they arrive, and the consumers that hear of them."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO, cast

import pytest
from filelock import FileLock, Timeout

from harness.engine.consumer import Consumer
from harness.engine.events import AnyEvent, CredentialFound, RunFinished, StepTaken
from harness.engine.journal import (
    JOURNAL,
    PARTS,
    JournalPart,
    JournalTail,
    bring_back,
    discard_aside,
    merge,
    read_journal,
    set_aside,
)
from harness.engine.options import OUT
from harness.engine.record import RunRecord
from harness.engine.redaction import RedactingFile, files_with_credentials, redact
from harness.outcome import EnvironmentFault, UsageFault

MAIN = "main"
PYTEST_LOG: Final = "pytest.log"
LOCK: Final = ".in-use.lock"
"""In the out folder while a run writes there; two runs would mix their journals."""


@contextmanager
def pytest_log(out: str | None, *, began: Callable[[], bool]) -> Iterator[TextIO]:
    """`pytest.log` in the out folder: pytest's own words, masked. Of a run that never `began` nothing is kept.

    Raises pytest's UsageError when the folder cannot be written.
    """
    folder = Path(out or os.environ.get("MAAS_OUT") or OUT)
    growing = folder / f"{PYTEST_LOG}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target = growing.open("w", encoding="utf-8")
    except OSError as error:
        raise pytest.UsageError(f"cannot write the out folder {folder}: {error.strerror}") from error
    log = RedactingFile(target)
    try:
        yield cast("TextIO", log)
    finally:
        log.close()
        if began():
            growing.replace(folder / PYTEST_LOG)
        else:
            growing.unlink(missing_ok=True)


class RunJournal:
    """Opens an empty journal in `out`; that of an earlier run is replaced once `begin` is called, and stays if `withdraw` is.

    Raises EnvironmentFault when the folder cannot be written, UsageFault while another run writes there.
    """

    def __init__(self, out: Path, consumers: Sequence[Consumer]) -> None:
        self._lock = FileLock(out / LOCK)
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            set_aside(out)
            self.part = JournalPart(out, MAIN)
        except Timeout as error:
            raise UsageFault(
                f"another run is writing into {out}: wait for its end, or name another folder with --out"
            ) from error
        except OSError as error:
            raise EnvironmentFault(f"cannot write the out folder {out}: {error.strerror}") from error
        self.out = out
        self.record = RunRecord()
        self.unwritten: list[str] = []
        """Reports that could not be written, and why."""
        self._consumers = consumers
        self._tail = JournalTail(out)
        self._merged = False

    def begin(self) -> None:
        """There is something to judge: what an earlier run left here is replaced from now on."""
        discard_aside(self.out)

    def withdraw(self) -> None:
        """The run cannot even begin, by the person's mistake: leave everything as it was."""
        self.part.close()
        shutil.rmtree(self.out / PARTS, ignore_errors=True)
        bring_back(self.out)
        self._let_go()

    def _let_go(self) -> None:
        (self.out / LOCK).unlink(missing_ok=True)
        self._lock.release()

    def write(self, event: AnyEvent) -> None:
        """Add an event of the controller's own and tell everybody."""
        self.part.write(event)
        self.follow()

    def step(self, text: str) -> None:
        """Note one line of progress of the target."""
        self.write(StepTaken(at=self.part.now(), text=redact(text)))

    def follow(self) -> None:
        """Pass on what has been written since the last call."""
        for event in self._tail.drain():
            self.record.apply(event)
            for consumer in self._consumers:
                consumer.on_event(event, self.record)

    def finish(self, end: RunFinished, secrets: frozenset[str]) -> None:
        """Close the journal, write every report, and scan them all; a credential found corrects the end and the reports."""
        self.begin()
        self.write(end)
        self.part.close()
        merge(self.out)
        # the reports are a function of the journal as it lies there, so that anybody can make them again and compare
        self.record = RunRecord.of(read_journal(self.out))
        self._report()
        found = files_with_credentials(self.out, secrets)
        if found:
            self._correct(end, found)
        self._let_go()

    def _correct(self, end: RunFinished, files: tuple[str, ...]) -> None:
        from harness.engine.events import encode
        from harness.outcome import ExitCode

        corrections: tuple[AnyEvent, ...] = (
            CredentialFound(at=end.at, files=files),
            RunFinished(
                at=end.at,
                duration_s=end.duration_s,
                exit_code=ExitCode.HARNESS,
                reason=f"live credentials were written to {', '.join(files)}: do not publish them",
            ),
        )
        with (self.out / JOURNAL).open("ab") as file:
            for event in corrections:
                file.write(encode(event))
                self.record.apply(event)
                for consumer in self._consumers:
                    consumer.on_event(event, self.record)
        self._report()

    def _report(self) -> None:
        for consumer in self._consumers:
            try:
                consumer.finish(self.record)
            except Exception as error:  # noqa: BLE001 - one report that cannot be written must not cost the others
                self.unwritten.append(f"{type(consumer).__name__}: {type(error).__name__}: {error}")
