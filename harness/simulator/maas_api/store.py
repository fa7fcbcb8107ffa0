"""The key store: the same statements on SQLite (durable file) and on PostgreSQL."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Row, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .database import Database
from .record import KeyRecord, Status
from .search import KeySearch
from .tables import api_key_labels, api_keys


@dataclass(frozen=True, slots=True)
class Scope:
    """Which keys of a tenant a bulk revocation means; empty members do not restrict."""

    tenant: str
    username: str = ""
    subscription: str = ""


class KeyStore:
    """Every method is one transaction: when it returns, the change is durable. Raises StoreError on a database failure."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, url: str) -> "KeyStore":
        """Connect and create missing tables. Raises StoreError for a bad URL or an unreachable server."""
        return cls(await Database.open(url))

    async def close(self) -> None:
        """Close all connections."""
        await self._database.close()

    async def add(self, record: KeyRecord) -> None:
        """Store a new key."""
        row = {
            "id": record.id,
            "key_hash": record.key_hash,
            "tenant": record.tenant,
            "username": record.username,
            "user_groups": orjson.dumps(record.groups).decode(),
            "subscription": record.subscription,
            "name": record.name,
            "description": record.description,
            "ephemeral": record.ephemeral,
            "status": record.status.value,
            "created_at": record.created_at,
            "expires_at": record.expires_at,
            "last_used_at": record.last_used_at,
        }
        async with self._database.transaction() as connection:
            await connection.execute(insert(api_keys).values(row))
            if record.labels:
                labels = [{"key_id": record.id, "label": name, "value": value} for name, value in record.labels.items()]
                await connection.execute(insert(api_key_labels), labels)

    async def by_hash(self, key_hash: str) -> KeyRecord | None:
        """The key of that hash, of any tenant, without its labels: the question of every inference call."""
        row = await self._database.one(_BY_HASH, {"wanted": key_hash})
        return _record(row, {}) if row else None

    async def by_id(self, tenant: str, key_id: str) -> KeyRecord | None:
        """A tenant's key."""
        async with self._database.reading() as connection:
            query = select(api_keys).where(api_keys.c.tenant == tenant, api_keys.c.id == key_id)
            found = await _records(connection, (await connection.execute(query)).all())
        return found[0] if found else None

    async def search(self, wanted: KeySearch) -> tuple[list[KeyRecord], bool]:
        """A page of keys, and whether another follows. Absent times come last; equal keys are ordered by id."""
        column = api_keys.c[wanted.sort_by]
        query = (
            select(api_keys)
            .where(*_conditions(wanted))
            .order_by(column.is_(None), column.desc() if wanted.descending else column.asc(), api_keys.c.id)
            .offset(wanted.offset)
            .limit(wanted.limit + 1)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query)).all()
            found = await _records(connection, rows[: wanted.limit])
        return found, len(rows) > wanted.limit

    async def revoke(self, tenant: str, key_id: str, now: int, *, expired_too: bool = False) -> bool:
        """Revoke one active key; False when there is none. A key whose time has passed counts only with `expired_too`."""
        conditions = [api_keys.c.tenant == tenant, api_keys.c.id == key_id, api_keys.c.status == Status.ACTIVE.value]
        if not expired_too:
            conditions.append(_alive(now))
        return await self._change(update(api_keys).where(*conditions).values(status=Status.REVOKED.value)) > 0

    async def revoke_all(self, scope: Scope, now: int) -> int:
        """Revoke the active, unexpired keys of a scope in one statement; how many there were."""
        return await self._change(update(api_keys).where(*_scope(scope, now)).values(status=Status.REVOKED.value))

    async def count(self, scope: Scope, now: int) -> int:
        """How many keys `revoke_all` would revoke."""
        async with self._database.reading() as connection:
            return int(
                (
                    await connection.execute(select(func.count()).select_from(api_keys).where(*_scope(scope, now)))
                ).scalar_one()
            )

    async def touch(self, key_id: str, now: int) -> None:
        """Remember that a key was used; an older memory of another instance never overwrites a newer one."""
        newer = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < now)
        await self._change(update(api_keys).where(api_keys.c.id == key_id, newer).values(last_used_at=now))

    async def mark_expired(self, key_id: str) -> None:
        """Write the expiry of an active key into its status."""
        still_active = and_(api_keys.c.id == key_id, api_keys.c.status == Status.ACTIVE.value)
        await self._change(update(api_keys).where(still_active).values(status=Status.EXPIRED.value))

    async def remove_ephemeral(self, expired_before: int) -> int:
        """Delete ephemeral keys that expired before that instant; how many there were."""
        old = and_(api_keys.c.ephemeral, api_keys.c.expires_at < expired_before)
        async with self._database.transaction() as connection:
            ids = select(api_keys.c.id).where(old)
            await connection.execute(delete(api_key_labels).where(api_key_labels.c.key_id.in_(ids)))
            return int((await connection.execute(delete(api_keys).where(old))).rowcount)

    async def _change(self, statement: Any) -> int:
        async with self._database.transaction() as connection:
            return int((await connection.execute(statement)).rowcount)


_BY_HASH = select(api_keys).where(api_keys.c.key_hash == bindparam("wanted"))


def _alive(now: int) -> ColumnElement[bool]:
    return or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)


def _scope(scope: Scope, now: int) -> list[ColumnElement[bool]]:
    conditions = [api_keys.c.tenant == scope.tenant, api_keys.c.status == Status.ACTIVE.value, _alive(now)]
    if scope.username:
        conditions.append(api_keys.c.username == scope.username)
    if scope.subscription:
        conditions.append(api_keys.c.subscription == scope.subscription)
    return conditions


def _conditions(wanted: KeySearch) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [api_keys.c.tenant == wanted.tenant]
    if wanted.username:
        conditions.append(api_keys.c.username == wanted.username)
    if wanted.subscription:
        conditions.append(api_keys.c.subscription == wanted.subscription)
    if not wanted.include_ephemeral:
        conditions.append(api_keys.c.ephemeral.is_(False))
    if wanted.statuses:
        conditions.append(or_(*(_has_status(status, wanted.now) for status in sorted(wanted.statuses))))
    for name, value in wanted.labels.items():
        row = and_(
            api_key_labels.c.key_id == api_keys.c.id, api_key_labels.c.label == name, api_key_labels.c.value == value
        )
        conditions.append(exists().where(row))
    return conditions


def _has_status(status: Status, now: int) -> ColumnElement[bool]:
    stored = api_keys.c.status
    if status is Status.ACTIVE:
        return and_(stored == Status.ACTIVE.value, _alive(now))
    if status is Status.EXPIRED:
        return or_(stored == Status.EXPIRED.value, and_(stored == Status.ACTIVE.value, api_keys.c.expires_at <= now))
    return stored == Status.REVOKED.value


async def _records(connection: AsyncConnection, rows: Iterable[Row[Any]]) -> list[KeyRecord]:
    found = list(rows)
    if not found:
        return []
    query = select(api_key_labels).where(api_key_labels.c.key_id.in_([row.id for row in found]))
    labels: dict[str, dict[str, str]] = {}
    for key_id, name, value in (await connection.execute(query)).all():
        labels.setdefault(key_id, {})[name] = value
    return [_record(row, labels.get(row.id, {})) for row in found]


def _record(row: Row[Any], labels: Mapping[str, str]) -> KeyRecord:
    return KeyRecord(
        id=row.id,
        key_hash=row.key_hash,
        tenant=row.tenant,
        username=row.username,
        groups=tuple(orjson.loads(row.user_groups)),
        subscription=row.subscription,
        name=row.name,
        description=row.description,
        ephemeral=row.ephemeral,
        status=Status(row.status),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        labels=labels,
    )
