"""The key store's contract, the same on SQLite and on PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from harness.simulator.maas_api.database import StoreError
from harness.simulator.maas_api.record import KeyRecord, Status
from harness.simulator.maas_api.search import KeySearch
from harness.simulator.maas_api.store import KeyStore, Scope

from .postgresql import empty_database
from .test_keys import MICROSECONDS, record

pytestmark = pytest.mark.anyio

TENANT = "models-as-a-service"
NOW = 1_800_000_000 * MICROSECONDS


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/keys.db"
    return await empty_database(request.getfixturevalue("postgresql"))


@pytest.fixture
async def store(url: str) -> AsyncIterator[KeyStore]:
    opened = await KeyStore.open(url)
    yield opened
    await opened.close()


async def found(store: KeyStore, **wanted: object) -> list[str]:
    keys, _ = await store.search(
        KeySearch(**{"tenant": TENANT, "now": NOW, "sort_by": "name", "descending": False} | wanted)
    )  # type: ignore[arg-type]
    return [key.name for key in keys]


async def test_a_key_comes_back_as_it_was_stored(store: KeyStore) -> None:
    key = record(1, description="ü🙂", labels={"a": "b", "c/d": "é"}, groups=("x", "ü"), last_used_at=5)
    await store.add(key)
    assert await store.by_id(TENANT, key.id) == key
    assert await store.by_id("other", key.id) is None
    assert await store.by_id(TENANT, "nope") is None


async def test_a_key_is_found_by_its_hash_in_every_tenant(store: KeyStore) -> None:
    key = record(1, tenant="other")
    await store.add(key)
    assert await store.by_hash(key.key_hash) == key
    assert await store.by_hash("0" * 64) is None


async def test_a_hash_is_stored_once(store: KeyStore) -> None:
    await store.add(record(1))
    with pytest.raises(StoreError):
        await store.add(record(2, key_hash=record(1).key_hash))
    assert await found(store) == ["key-001"]


async def test_a_key_with_bad_labels_leaves_nothing_behind(store: KeyStore) -> None:
    with pytest.raises(StoreError):
        await store.add(record(1, labels={"a": None}))
    assert await store.by_id(TENANT, record(1).id) is None


@pytest.mark.row("MAAS-KEY-052", "MAAS-KEY-063", "MAAS-KEY-064", "MAAS-KEY-065", "MAAS-KEY-066")
async def test_a_search_restricts_by_each_member(store: KeyStore) -> None:
    await store.add(record(1))
    await store.add(record(2, username="bob", labels={"a": "b"}))
    await store.add(record(3, subscription="other", labels={"a": "b", "c": "d"}))
    await store.add(record(4, ephemeral=True))
    await store.add(record(5, status=Status.REVOKED))
    await store.add(record(6, expires_at=NOW))
    await store.add(record(7, expires_at=None))
    await store.add(record(8, tenant="other"))
    every = [f"key-{number:03d}" for number in range(1, 8)]
    assert await found(store, include_ephemeral=True) == every
    assert await found(store) == [name for name in every if name != "key-004"]
    assert await found(store, username="bob") == ["key-002"]
    assert await found(store, subscription="other") == ["key-003"]
    assert await found(store, labels={"a": "b"}) == ["key-002", "key-003"]
    assert await found(store, labels={"a": "b", "c": "d"}) == ["key-003"]
    assert await found(store, labels={"a": "x"}) == []
    assert await found(store, statuses=frozenset({Status.REVOKED})) == ["key-005"]
    assert await found(store, statuses=frozenset({Status.EXPIRED})) == ["key-006"]
    assert await found(store, statuses=frozenset({Status.ACTIVE})) == ["key-001", "key-002", "key-003", "key-007"]


@pytest.mark.row("MAAS-KEY-068", "MAAS-KEY-069", "MAAS-KEY-073")
async def test_pages_follow_the_order_without_overlap(store: KeyStore) -> None:
    for number in range(7):
        await store.add(record(number, last_used_at=None if number % 2 else 5))
    wanted = {"sort_by": "last_used_at", "limit": 3}
    pages = [await store.search(KeySearch(TENANT, NOW, offset=offset, **wanted)) for offset in (0, 3, 6)]  # type: ignore[arg-type]
    assert [more for _, more in pages] == [True, True, False]
    order = [key.name for keys, _ in pages for key in keys]
    assert order == [f"key-00{number}" for number in (0, 2, 4, 6, 1, 3, 5)]


@pytest.mark.row("MAAS-KEY-053", "MAAS-KEY-054", "MAAS-KEY-055")
async def test_a_key_is_revoked_once(store: KeyStore) -> None:
    await store.add(record(1))
    await store.add(record(2, expires_at=NOW))
    assert not await store.revoke("other", record(1).id, NOW)
    assert await store.revoke(TENANT, record(1).id, NOW)
    assert not await store.revoke(TENANT, record(1).id, NOW)
    assert not await store.revoke(TENANT, record(2).id, NOW)
    assert await store.revoke(TENANT, record(2).id, NOW, expired_too=True)


async def test_of_many_revocations_at_once_one_succeeds(store: KeyStore) -> None:
    await store.add(record(1))
    assert sum(await asyncio.gather(*(store.revoke(TENANT, record(1).id, NOW) for _ in range(8)))) == 1


@pytest.mark.row("MAAS-KEY-080", "MAAS-KEY-083", "MAAS-KEY-084")
async def test_a_scope_is_counted_and_revoked_exactly(store: KeyStore) -> None:
    for number, changes in enumerate(
        [
            {},
            {"subscription": "other"},
            {"username": "bob"},
            {"tenant": "other"},
            {"expires_at": NOW},
            {"status": Status.REVOKED},
        ]
    ):
        await store.add(record(number, **changes))
    for scope, count in [
        (Scope(TENANT, "alice", "basic"), 1),
        (Scope(TENANT, "alice"), 2),
        (Scope(TENANT, subscription="basic"), 2),
        (Scope(TENANT), 3),
        (Scope("nowhere"), 0),
    ]:
        assert await store.count(scope, NOW) == count
    assert await store.revoke_all(Scope(TENANT, "alice"), NOW) == 2
    assert await store.revoke_all(Scope(TENANT), NOW) == 1
    assert await store.revoke_all(Scope(TENANT), NOW) == 0
    assert await store.count(Scope("other"), NOW) == 1


async def test_the_last_use_never_goes_back(store: KeyStore) -> None:
    await store.add(record(1))
    for instant, kept in ((5, 5), (3, 5), (9, 9)):
        await store.touch(record(1).id, instant)
        key = await store.by_id(TENANT, record(1).id)
        assert key
        assert key.last_used_at == kept


async def test_expiry_is_written_for_active_keys_alone(store: KeyStore) -> None:
    await store.add(record(1))
    await store.add(record(2, status=Status.REVOKED))
    for number in (1, 2):
        await store.mark_expired(record(number).id)
    keys = [await store.by_id(TENANT, record(number).id) for number in (1, 2)]
    assert [key.status for key in keys if key] == [Status.EXPIRED, Status.REVOKED]


@pytest.mark.row("MAAS-KEY-105")
async def test_old_ephemeral_keys_are_removed_with_their_labels(store: KeyStore) -> None:
    await store.add(record(1, ephemeral=True, expires_at=NOW - 1, labels={"a": "b"}))
    await store.add(record(2, ephemeral=True, expires_at=NOW))
    await store.add(record(3, expires_at=NOW - 1))
    assert await store.remove_ephemeral(NOW) == 1
    assert await found(store, include_ephemeral=True) == ["key-002", "key-003"]
    assert await found(store, include_ephemeral=True, labels={"a": "b"}) == []


async def test_keys_survive_a_restart(url: str) -> None:
    first = await KeyStore.open(url)
    await first.add(record(1))
    await first.close()
    second = await KeyStore.open(url)
    assert await found(second) == ["key-001"]
    await second.close()


async def test_two_instances_share_a_database(url: str) -> None:
    first, second = await asyncio.gather(KeyStore.open(url), KeyStore.open(url))
    await first.add(record(1))
    assert await second.revoke(TENANT, record(1).id, NOW)
    key = await first.by_hash(record(1).key_hash)
    assert key
    assert key.status is Status.REVOKED
    await first.close()
    await second.close()


async def test_concurrent_changes_are_all_kept(store: KeyStore) -> None:
    async def work(number: int) -> KeyRecord | None:
        await store.add(record(number, labels={"n": str(number)}))
        return await store.by_id(TENANT, record(number).id)

    keys = await asyncio.gather(*(work(number) for number in range(40)))
    assert [key.labels["n"] for key in keys if key] == [str(number) for number in range(40)]


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("nonsense", "expected sqlite:///FILE or postgresql://"),
        ("mysql://u:hush@h/d", "'mysql' is not supported"),
        ("sqlite:////nowhere/at/all.db", "cannot use the database sqlite"),
        ("sqlite://", "the SQLite database has no file"),
        ("sqlite:///:memory:", "the SQLite database has no file"),
        ("postgresql://user:hush@127.0.0.1:1/db", "cannot use the database postgresql"),
    ],
    indirect=False,
)
async def test_a_database_that_cannot_be_used_is_one_sentence_without_password(url: str, part: str) -> None:
    with pytest.raises(StoreError) as raised:
        await KeyStore.open(url)
    assert part in str(raised.value)
    assert "hush" not in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_the_sqlite_file_is_durable_and_private_to_hashes(tmp_path: Path) -> None:
    opened = await KeyStore.open(f"sqlite:///{tmp_path}/keys.db")
    await opened.add(record(1))
    async with opened._database._engine.connect() as connection:
        modes = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar_one() for name in ("journal_mode", "synchronous")
        ]
    assert modes == ["wal", 2]
    with sqlite3.connect(tmp_path / "keys.db") as other:
        assert other.execute("SELECT count(*) FROM api_keys").fetchone() == (1,)
    await opened.close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
async def test_urls_as_secrets_have_them(postgresql: str, scheme: str) -> None:
    address = postgresql.replace("postgresql://", f"{scheme}://")
    opened = await KeyStore.open(f"{address}{'&' if '?' in address else '?'}sslmode=disable")
    assert await found(opened, username="nobody") == []
    await opened.close()


async def test_connections_that_the_server_ended_are_replaced(postgresql: str) -> None:
    address = await empty_database(postgresql)
    opened = await KeyStore.open(address)
    await opened.add(record(1))
    engine = create_async_engine(make_url(address).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with engine.connect() as connection:
        ended = (await connection.execute(text(others))).scalars().all()
    await engine.dispose()
    assert ended
    assert all(ended)
    assert await opened.by_hash(record(1).key_hash) == record(1)
    await opened.add(record(2))
    await opened.close()
