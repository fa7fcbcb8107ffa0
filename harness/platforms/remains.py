"""What dead runs left behind, and its removal: by the record of their lease and by the mark their processes inherited."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import psutil
from filelock import FileLock, Timeout

from harness.platforms.lease import (
    KEPT,
    RUN_VARIABLE,
    UNDO,
    ProcessRecord,
    lease_folder,
    owner_of,
    prune,
    record_path,
    remove_files,
    run_folders,
)

TERM_GRACE_S: Final = 2.0
KILL_GRACE_S: Final = 1.0
LOOK_INTERVAL_S: Final = 0.01
UNDO_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as its lease describes it, alive or dead; the supervisor is the first process."""

    run_id: str
    folder: Path
    owns_folder: bool
    processes: tuple[ProcessRecord, ...]

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The record, or None when it was removed meanwhile or is not whole."""
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            processes = tuple(ProcessRecord(*entry) for entry in content["processes"])
            return cls(content["run_id"], Path(content["folder"]), bool(content["owns_folder"]), processes)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def supervisor(self) -> ProcessRecord:
        """The process that owns the run."""
        return self.processes[0]


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep removed: processes as `name (pid)`, and the folder."""

    run_id: str
    processes: tuple[str, ...]
    folder: Path


def live_runs() -> list[RunRecord]:
    """Runs whose lock is held, newest first."""
    found = []
    for path in reversed(_records()):
        lock = _try_lock(path)
        record = RunRecord.read(path)
        if lock is not None:
            lock.release()
        elif record is not None:
            found.append(record)
    return found


def sweep_dead_runs() -> list[Swept]:
    """End the processes and remove the files of every run whose supervisor is gone; live runs are not touched."""
    swept = []
    for path in _records():
        lock = _try_lock(path)
        if lock is None:
            continue
        try:
            record = RunRecord.read(path)  # read again under the lock: the run may have ended properly meanwhile
            if record is not None:
                swept.append(sweep(record))
            path.unlink(missing_ok=True)
            Path(lock.lock_file).unlink(missing_ok=True)
        finally:
            lock.release()
    swept += [sweep(orphan) for orphan in _orphans()]
    prune()
    return swept


def kept_folders() -> list[Path]:
    """Folders below the state home that a run kept because it was told to."""
    return [folder for folder in run_folders() if (folder / "state" / KEPT).exists()]


def _orphans() -> Iterator[RunRecord]:
    """Dead runs whose record was lost, as by a machine that lost its power: their folders hold credentials still."""
    kept = kept_folders()
    for folder in run_folders():
        owner = owner_of(folder / "state")
        if owner is None or owner.process() is not None or folder in kept:
            continue
        if not record_path(folder.name).exists():
            yield RunRecord(folder.name, folder, owns_folder=True, processes=(owner,))


def sweep(record: RunRecord) -> Swept:
    """End what the run started and remove its files."""
    ended = end_processes(marked(record.run_id), record.processes[1:])
    _undo(record.folder / "state" / UNDO)
    remove_files(record.folder, whole=record.owns_folder)
    return Swept(record.run_id, ended, record.folder)


def _undo(path: Path) -> None:
    """Run the commands that the dead run left for this; one that fails leaves nothing worse than before."""
    try:
        commands: list[list[str]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    for words in commands:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=UNDO_TIMEOUT_S, check=False)


def end_processes(
    found: Iterable[psutil.Process], records: Iterable[ProcessRecord], *, grace_s: float = TERM_GRACE_S
) -> tuple[str, ...]:
    """End these processes: asked first, killed after the grace. Returns them as `name (pid)`."""
    doomed = {process.pid: process for process in found}
    doomed |= {process.pid: process for process in (record.process() for record in records) if process is not None}
    names = []
    for process in doomed.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            names.append(f"{process.name()} ({process.pid})")
            process.terminate()
    for process in _alive_after(list(doomed.values()), grace_s):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _alive_after(list(doomed.values()), KILL_GRACE_S)
    return tuple(names)


def _alive_after(processes: list[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Those that still run then; a zombie has ended, even where nobody collects it (containers without an init)."""
    deadline = time.monotonic() + timeout_s
    while True:
        processes = [process for process in processes if _runs(process)]
        if not processes or time.monotonic() >= deadline:
            return processes
        time.sleep(LOOK_INTERVAL_S)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def marked(run_id: str) -> Iterator[psutil.Process]:
    """Processes of this user that inherited the run's mark, this one excepted."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # another user's process, or one that has just ended
            if process.pid != os.getpid() and process.environ().get(RUN_VARIABLE) == run_id:
                yield process


def _records() -> list[Path]:
    folder = lease_folder()
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _try_lock(record: Path) -> FileLock | None:
    lock = FileLock(record.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock
