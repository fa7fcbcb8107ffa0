"""Who owns which processes and files, so that nothing a run made outlives it for long.

A run registers below the state home: a lock that it holds for as long as it lives, and a record of its folder and of every process it
started, with start times, because process ids are used again. A run that was killed cannot clean up; its lock is free then, and the next
run or `clean` sweeps what the record names (`harness/platforms/remains.py`). A live run's lock is taken, so it is never swept.
"""

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil
from filelock import FileLock
from platformdirs import user_state_path

from harness.outcome import EnvironmentFault

STATE_HOME_VARIABLE: Final = "MAAS_CONFORMANCE_STATE"
RUN_VARIABLE: Final = "MAAS_CONFORMANCE_RUN"
"""Every process of a run carries the run's id in this variable, children of children too: a janitor finds them without a list."""

OWNER: Final = "owner.json"
KEPT: Final = "kept"
"""In private files that a user asked to keep: no sweeper takes them for what a killed run left."""
UNDO: Final = "undo.json"
PLATFORM_FILE: Final = "platform.json"
"""In the run's private folder: what `--platform` and Locust take for a platform that is up."""


def state_home() -> Path:
    """The folder of leases and of state folders nobody named: $MAAS_CONFORMANCE_STATE, or the user's state folder."""
    named = os.environ.get(STATE_HOME_VARIABLE)
    return Path(named) if named else user_state_path("maas-conformance")


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process that cannot be mistaken for a later one of the same id; `started` in Unix seconds as the kernel counts them."""

    name: str
    pid: int
    started: float

    @classmethod
    def of(cls, name: str, pid: int) -> Self:
        """Record a live process. Raises psutil.NoSuchProcess when it has ended already."""
        return cls(name, pid, psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process, if it still is the same one and no zombie."""
        try:
            process = psutil.Process(self.pid)
            same = process.create_time() == self.started and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


class Lease:
    """A live run's claim on its folder and processes.

    `private` holds credentials, databases and sockets and is always removed; `logs` stays in a folder that the caller named, as evidence.
    """

    def __init__(self, run_id: str, folder: Path, lock: FileLock, *, owns_folder: bool) -> None:
        self.run_id = run_id
        self.folder = folder
        self.private = folder / "state"
        self.logs = folder / "logs"
        self._lock = lock
        self._owns_folder = owns_folder
        self._processes: list[ProcessRecord] = []

    @classmethod
    def open(cls, folder: Path | None = None) -> Self:
        """Claim the folder (made if need be), or a new one below the state home.

        Raises EnvironmentFault when it cannot be written or another run is using it.
        """
        run_id = f"{time.strftime('%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        target = folder.absolute() if folder else state_home() / "runs" / run_id
        lock = FileLock(lease_folder() / f"{run_id}.lock")
        lease = cls(run_id, target, lock, owns_folder=folder is None)
        try:
            lease_folder().mkdir(parents=True, exist_ok=True)
            target.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock.acquire(timeout=0)
            _remove_abandoned(lease.private)
            lease.private.mkdir(mode=0o700)
            lease.logs.mkdir(exist_ok=True)
        except FileExistsError as error:
            lease.forget()
            raise EnvironmentFault(
                f"the folder {target} is in use by another run (it holds {error.filename}): stop that run (`maas-conformance down`), "
                "or name another folder"
            ) from error
        except OSError as error:
            lease.forget()
            raise EnvironmentFault(f"cannot write the state folder {error.filename}: {error.strerror}") from error
        owner = ProcessRecord.of("supervisor", os.getpid())
        (lease.private / OWNER).write_text(json.dumps([owner.name, owner.pid, owner.started]), encoding="utf-8")
        lease.record(owner)
        return lease

    @property
    def processes(self) -> tuple[ProcessRecord, ...]:
        """What was recorded, the supervisor first."""
        return tuple(self._processes)

    def record(self, process: ProcessRecord) -> None:
        """Add a process to the record on disk, which is replaced as a whole."""
        self._processes.append(process)
        content = {
            "run_id": self.run_id,
            "folder": str(self.folder),
            "owns_folder": self._owns_folder,
            "processes": [[entry.name, entry.pid, entry.started] for entry in self._processes],
        }
        path = record_path(self.run_id)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(path)

    def undo_when_swept(self, commands: Sequence[Sequence[str]]) -> None:
        """Name commands that a sweeper runs if this run is killed: what it made outside this machine's processes and files."""
        (self.private / UNDO).write_text(json.dumps([list(words) for words in commands]), encoding="utf-8")

    def release(self, *, keep_files: bool = False) -> None:
        """Give up the claim and remove the files, logs excepted in a folder that the caller named. The processes have to be gone.

        Files that are kept stay until their owner removes them, or another run takes the same folder.
        """
        if keep_files:
            (self.private / KEPT).touch()
        else:
            remove_files(self.folder, whole=self._owns_folder)
        self.forget()

    def forget(self) -> None:
        """Remove the registration, then the lock: in the other order a sweeper could take a run that is ending for a dead one."""
        record_path(self.run_id).unlink(missing_ok=True)
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()
        prune()


def _remove_abandoned(private: Path) -> None:
    """Remove private files whose owner is gone and whose lease no sweeper knows: it was kept below another state home."""
    owner = owner_of(private)
    if owner is not None and owner.process() is None:
        shutil.rmtree(private, ignore_errors=True)


def owner_of(private: Path) -> ProcessRecord | None:
    """The process that these private files belong to, alive or not; None where they do not say."""
    try:
        return ProcessRecord(*json.loads((private / OWNER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def run_folders() -> list[Path]:
    """State folders that nobody named; each is called as its run."""
    folder = state_home() / "runs"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def lease_folder() -> Path:
    """Where leases lie."""
    return state_home() / "leases"


def record_path(run_id: str) -> Path:
    """The record of one run."""
    return lease_folder() / f"{run_id}.json"


def remove_files(folder: Path, *, whole: bool) -> None:
    """Remove a run's files: the whole folder, or what is private in a folder that the caller named."""
    shutil.rmtree(folder if whole else folder / "state", ignore_errors=True)


def prune() -> None:
    """Remove folders of the state home that have become empty."""
    for folder in (state_home() / "runs", lease_folder(), state_home()):
        with contextlib.suppress(OSError):
            folder.rmdir()
