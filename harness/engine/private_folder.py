"""Where a run keeps what only its own workers may read: the platform file, which holds credentials, and the canary's gate.

A run that was killed cannot remove its folder; the next one does, which knows by the folder's lock that nobody uses it.
"""

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from harness.outcome import EnvironmentFault
from harness.platforms.lease import prune, state_home

FOLDER: Final = "sessions"
LOCK: Final = "in-use.lock"
YOUNG_S: Final = 60.0
"""A younger folder may belong to a run that has not locked it yet."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of mode 0700 below the state home, gone after the block. Raises EnvironmentFault when it cannot be made."""
    sessions = state_home() / FOLDER
    sweep_sessions(sessions)
    folder = sessions / secrets.token_hex(6)
    lock = FileLock(folder / LOCK)
    try:
        sessions.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        lock.acquire(timeout=0)
    except OSError as error:
        raise EnvironmentFault(f"cannot write the state folder {error.filename}: {error.strerror}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        with contextlib.suppress(OSError):
            sessions.rmdir()
        prune()


def sweep_sessions(sessions: Path, *, spared_s: float = YOUNG_S) -> list[Path]:
    """Remove the folders of runs that live no longer, those younger than `spared_s` seconds excepted; returns them."""
    removed = []
    for folder in sessions.glob("*") if sessions.is_dir() else ():
        if time.time() - folder.stat().st_mtime < spared_s:
            continue
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        removed.append(folder)
    with contextlib.suppress(OSError):
        sessions.rmdir()
    prune()
    return removed
