"""A connection to SQLite or PostgreSQL, and the tables in it."""

import contextlib
import logging
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Executable, Row, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from .tables import metadata

log = logging.getLogger(__name__)

_SCHEMA_LOCK = 0x6D616173
"""PostgreSQL advisory lock under which the tables are made."""


class StoreError(Exception):
    """The database cannot be used; the message names no credential."""


class Database:
    """Transactions and single reads. Raises StoreError whenever the database fails."""

    def __init__(self, engine: AsyncEngine, direct: Connection | None) -> None:
        self._engine = engine
        # One statement needs no transaction of its own.
        self._reader = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._direct = direct

    @classmethod
    async def open(cls, url: str) -> "Database":
        """Connect and create missing tables. Raises StoreError for a bad URL or an unreachable server."""
        parsed = _parsed(url)
        engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
        try:
            async with engine.begin() as connection:
                await _create_tables(connection)
            return cls(engine, _direct(parsed))
        except (SQLAlchemyError, OSError) as error:
            await engine.dispose()
            raise StoreError(f"cannot use the database {parsed.render_as_string()}: {_cause(error)}") from error

    async def close(self) -> None:
        """Close all connections."""
        if self._direct is not None:
            self._direct.close()
            self._direct.engine.dispose()
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose changes are durable when the block is left, and undone when it raises."""
        try:
            async with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from error

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads, each of its own moment."""
        try:
            async with self._reader.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise _unavailable(error) from error

    async def one(self, query: Executable, values: Mapping[str, Any]) -> Row[Any] | None:
        """The only row of an indexed read, or None: the question that every inference call waits for."""
        if self._direct is None:
            async with self.reading() as connection:
                return (await connection.execute(query, values)).one_or_none()
        try:
            return self._direct.execute(query, values).one_or_none()
        except SQLAlchemyError as error:
            raise _unavailable(error) from error


def _parsed(url: str) -> URL:
    """`sqlite:///FILE` or `postgresql://…` (also `postgres://`, as secrets often have it)."""
    try:
        parsed = make_url(re.sub(r"^postgres://", "postgresql://", url))
    except ArgumentError as error:
        raise StoreError(
            "the database URL is not readable: expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        ) from error
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StoreError(f"the database {parsed.get_backend_name()!r} is not supported: expected sqlite or postgresql")
    if parsed.get_backend_name() == "sqlite":
        _check_file(parsed.database or "")
    return parsed


def _check_file(name: str) -> None:
    if name in {"", ":memory:"}:
        raise StoreError(
            "the SQLite database has no file, so every key would be lost at the end: expected sqlite:///FILE"
        )
    folder = Path(name).absolute().parent
    if not folder.is_dir():
        raise StoreError(
            f"cannot use the database sqlite:///{name}: the folder {folder} does not exist; create it first"
        )


def _sqlite(url: URL) -> AsyncEngine:
    # Each connection is a thread: a few share the file well, and one more per waiting call would be made and thrown away.
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), pool_size=4, max_overflow=0)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _postgresql(url: URL) -> AsyncEngine:
    query = dict(url.query)
    if mode := query.pop("sslmode", None):
        query["ssl"] = mode
    return create_async_engine(url.set(drivername="postgresql+asyncpg", query=query), pool_size=10, pool_pre_ping=True)


def _direct(url: URL) -> Connection | None:
    """A connection for reads without a thread, on SQLite: an indexed read takes microseconds there and waits for no writer,
    while the way to another thread and back takes most of a millisecond.
    """
    if url.get_backend_name() != "sqlite":
        return None
    engine = create_engine(url.set(drivername="sqlite"), isolation_level="AUTOCOMMIT")
    event.listen(engine, "connect", _prepare_sqlite)
    return engine.connect()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Write-ahead log, so readers never wait for writers; FULL, so that an acknowledged key survives a power cut."""
    cursor = connection.cursor()
    for setting in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


async def _create_tables(connection: AsyncConnection) -> None:
    """Create what is missing. Two instances may find an empty database at the same time: the second waits for the first."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
    else:
        await connection.execute(text("BEGIN IMMEDIATE"))
    await connection.run_sync(metadata.create_all)


def _unavailable(error: Exception) -> StoreError:
    # The driver's first line names tables and causes; values, such as the hash of a key, come in later ones.
    log.error("the database does not answer: %s", _cause(error))
    return StoreError(f"the database does not answer: {type(error).__name__}")


def _cause(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    return str(origin).splitlines()[0] if str(origin) else type(origin).__name__
