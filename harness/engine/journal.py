"""The run journal on disk: one NDJSON part a process while the run lives, one file in order of time when it has ended.

A process only ever appends whole lines to a part of its own, so neither a killed worker nor a killed run costs more than its last line.
"""

import heapq
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from harness.engine.events import AnyEvent, decode, encode
from harness.outcome import UsageFault

JOURNAL: Final = "journal.ndjson"
PARTS: Final = "journal.parts"
_ASIDE: Final = ".aside"


class JournalPart:
    """What one process writes. Times never run backwards within a part, whatever the wall clock does: merging relies on it."""

    def __init__(self, out: Path, worker: str) -> None:
        folder = out / PARTS
        folder.mkdir(parents=True, exist_ok=True)
        self.worker = worker
        self._file = (folder / f"{worker}.ndjson").open("ab", buffering=0)
        self._last = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Unix seconds, for the event that is about to be written."""
        return time.time()

    def write(self, event: AnyEvent) -> None:
        """Append one event with a single write, so that a reader never sees half of it for long.

        Checks may write from several threads: an event that was overtaken gets the time of the one that overtook it.
        """
        with self._lock:
            if event.at < self._last:
                event = msgspec.structs.replace(event, at=self._last)
            self._last = event.at
            self._file.write(encode(event))

    def close(self) -> None:
        """Close the file; writing afterwards raises ValueError."""
        self._file.close()


class JournalTail:
    """Follows all parts of a run while they grow."""

    def __init__(self, out: Path) -> None:
        self._folder = out / PARTS
        self._offsets: dict[Path, int] = {}

    def drain(self) -> Iterator[AnyEvent]:
        """Events that have been completed since the last call: in order within a worker, workers one after another."""
        for path in sorted(self._folder.glob("*.ndjson")):
            offset = self._offsets.get(path, 0)
            with path.open("rb") as file:
                file.seek(offset)
                content = file.read()
            complete = content.rfind(b"\n") + 1
            self._offsets[path] = offset + complete
            for line in content[:complete].splitlines():
                yield decode(line)


def discard(out: Path) -> None:
    """Remove the journal of an earlier run in the same folder."""
    for name in (JOURNAL, PARTS):
        _remove(out / name)


def set_aside(out: Path) -> None:
    """Make room for a new journal; that of an earlier run in the same folder can still be brought back."""
    bring_back(out)
    for name in (JOURNAL, PARTS):
        if (out / name).exists():
            (out / name).rename(out / f"{name}{_ASIDE}")


def bring_back(out: Path) -> None:
    """Undo `set_aside`, because the new run never began; nothing happens when nothing was set aside."""
    for name in (JOURNAL, PARTS):
        if (out / f"{name}{_ASIDE}").exists():
            _remove(out / name)
            (out / f"{name}{_ASIDE}").rename(out / name)


def discard_aside(out: Path) -> None:
    """The new run began: what was set aside is history."""
    for name in (JOURNAL, PARTS):
        _remove(out / f"{name}{_ASIDE}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def merge(out: Path) -> Path:
    """Join the parts into one file in order of time, whole or not at all, and remove them."""
    parts = sorted((out / PARTS).glob("*.ndjson"))
    merged = out / JOURNAL
    temporary = merged.with_suffix(".tmp")
    with temporary.open("wb") as file:
        for _, line in heapq.merge(*(_timed_lines(part) for part in parts), key=lambda timed: timed[0]):
            file.write(line + b"\n")
    temporary.replace(merged)
    for part in parts:
        part.unlink()
    (out / PARTS).rmdir()
    return merged


def journal_files(out: Path) -> list[Path]:
    """The merged file of a run, or, when the run was killed, its parts. Raises UsageFault when the folder holds neither."""
    merged = out / JOURNAL
    parts = [merged] if merged.is_file() else sorted((out / PARTS).glob("*.ndjson"))
    if not parts:
        raise UsageFault(f"{out} holds no run: there is no {JOURNAL}")
    return parts


def read_journal(out: Path) -> list[AnyEvent]:
    """The events of a run, from the merged file or, when the run was killed, from its parts.

    Raises UsageFault when the folder holds no journal, or a line of it is no event of this version.
    """
    events = []
    for part in journal_files(out):
        for number, line in enumerate(_complete_lines(part), start=1):
            try:
                events.append(decode(line))
            except msgspec.DecodeError as error:
                raise UsageFault(f"{part}:{number} is not an event of this version: {error}") from error
    return sorted(events, key=lambda event: event.at)


class _Timed(msgspec.Struct):
    at: float


def _complete_lines(path: Path) -> list[bytes]:
    """All lines but a last one without its end: a killed process leaves such."""
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1].splitlines()


def _timed_lines(path: Path) -> Iterator[tuple[float, bytes]]:
    for line in _complete_lines(path):
        yield msgspec.json.decode(line, type=_Timed).at, line
