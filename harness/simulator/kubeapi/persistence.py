"""Objects on disk: SQLite behind the store in memory.

Writes are collected and committed in groups, off the event loop; a request is answered only after the commit that holds its write.
So a crash loses nothing that was acknowledged, and many writers share one flush of the disk. Where only the process may die and not
the machine, nothing has to reach the disk: commits are cheap, and made where they arise.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import orjson

from harness.simulator.kubeapi.changes import Change, Entry, entry_of
from harness.simulator.kubeapi.status import ApiError, internal
from harness.simulator.kubeapi.store import Bucket

_log = logging.getLogger("kubeapi")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    api_group TEXT NOT NULL, plural TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (api_group, plural, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_PUT = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)"
_DROP = "DELETE FROM objects WHERE api_group = ? AND plural = ? AND namespace = ? AND name = ?"
_SET = "INSERT OR REPLACE INTO settings VALUES (?, ?)"
# A crash may leave revisions behind that watchers have seen and the disk has not; a restart must not hand them out again.
REVISION_GAP = 10_000

Survives = Literal["machine", "process"]
Row = tuple[Bucket, str, str, int, bytes | None]


class StateError(Exception):
    """A state folder that cannot be used, in one sentence."""


class Archive:
    """The database of one state folder; one process at a time."""

    def __init__(self, folder: Path, *, survives: Survives = "machine") -> None:
        """`survives`: whose end loses nothing that was acknowledged."""
        self._inline = survives == "process"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "objects.sqlite"
        try:
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=1)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(f"PRAGMA synchronous = {'OFF' if self._inline else 'FULL'}")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StateError(
                f"--state {folder} cannot be used: {error}; stop the server that uses it, or give another folder"
            ) from error
        path.chmod(0o600)
        self._pending: list[Row] = []
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="archive")
        self._writing: asyncio.Task[None] | None = None

    def load(self) -> Iterator[tuple[Bucket, Entry]]:
        """Every object, as it was last acknowledged."""
        for group, plural, revision, body in self._database.execute(
            "SELECT api_group, plural, revision, body FROM objects"
        ):
            yield (group, plural), entry_of(orjson.loads(body), revision)

    def revision(self) -> int:
        """Where counting goes on; 0 for a new folder. Objects have their revisions, removals leave theirs in the settings."""
        (highest,) = self._database.execute("SELECT max(revision) FROM objects").fetchone()
        last = max(highest or 0, int(self.setting("revision") or 0))
        return last + REVISION_GAP if last else 0

    def setting(self, name: str) -> bytes | None:
        """A value kept under a name."""
        row = self._database.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return bytes(row[0]) if row else None

    def keep(self, name: str, value: bytes) -> None:
        """Keep a value under a name, at once."""
        self._database.execute(_SET, (name, value))

    def record(self, bucket: Bucket, change: Change) -> None:
        """Note a change for the next commit."""
        entry = change.entry
        body = None if change.type == "DELETED" else entry.raw
        self._pending.append((bucket, entry.namespace, entry.name, entry.revision, body))

    async def settle(self) -> None:
        """Return when every change so far is on disk. Raises ApiError 500 when the disk refuses."""
        if self._inline:
            self._flush_here()
            return
        while self._pending or self._writing is not None:
            if self._writing is None:
                self._writing = asyncio.create_task(self._flush())
            running = self._writing
            try:
                await asyncio.shield(running)
            finally:
                if self._writing is running and running.done():
                    self._writing = None

    async def _flush(self) -> None:
        rows, self._pending = self._pending, []
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._commit, rows)
        except sqlite3.Error as error:
            raise self._refused(rows, error) from error

    def _flush_here(self) -> None:
        rows, self._pending = self._pending, []
        try:
            self._commit(rows)
        except sqlite3.Error as error:
            raise self._refused(rows, error) from error

    def _refused(self, rows: list[Row], error: sqlite3.Error) -> ApiError:
        """What a client is told of rows that could not be written; they are kept for the next attempt."""
        self._pending = rows + self._pending
        _log.error("the state could not be written", exc_info=error)
        return internal(f"the change could not be made durable: {error}")

    def _commit(self, rows: list[Row]) -> None:
        if len(rows) > 1 or any(row[4] is None for row in rows):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._write(rows)
                self._database.execute("COMMIT")
            except sqlite3.Error:
                self._database.execute("ROLLBACK")
                raise
        else:
            self._write(rows)  # one statement is a transaction of its own

    def _write(self, rows: list[Row]) -> None:
        for bucket, namespace, name, revision, body in rows:
            if body is not None:
                self._database.execute(_PUT, (*bucket, namespace, name, revision, body))
            else:
                self._database.execute(_DROP, (*bucket, namespace, name))
                self._database.execute(_SET, ("revision", str(revision).encode()))

    def flush_now(self) -> None:
        """Commit what start-up wrote, without an event loop."""
        rows, self._pending = self._pending, []
        self._commit(rows)

    def close(self) -> None:
        """Commit what is left and let the folder go."""
        self._worker.shutdown(wait=True)
        self.flush_now()
        self._database.close()
