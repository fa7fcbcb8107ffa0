"""Revoking many keys at once, and who is an administrator."""

import logging

import httpx
import pytest

from harness.simulator.maas_api.administrators import NO_S, YES_S, Administrators
from harness.simulator.maas_api.identity import Caller
from harness.simulator.maas_api.metrics import Metrics
from harness.simulator.maas_api.record import Status

from .instance import FakeCluster, Instance
from .test_keys import MICROSECONDS, names, record

DENIED = {"error": "Access denied: admin privileges required for this bulk revoke operation"}
AUDIT = "harness.simulator.maas_api.audit"


@pytest.fixture
def root(maas: Instance) -> httpx.Client:
    maas.cluster.administrators.add("root")
    return maas.caller("root")


def _stored(maas: Instance) -> None:
    maas.store_key(record(1))
    maas.store_key(record(2, subscription="other"))
    maas.store_key(record(3, username="bob"))
    maas.store_key(record(4, status=Status.REVOKED))
    maas.store_key(record(5, expires_at=1_700_000_500 * MICROSECONDS))
    maas.store_key(record(6, tenant="elsewhere"))


@pytest.mark.row("MAAS-KEY-080")
def test_a_caller_revokes_its_own_keys(alice: httpx.Client, maas: Instance, root: httpx.Client) -> None:
    _stored(maas)
    response = alice.post("/v1/api-keys/bulk-revoke", json={"username": " alice "})
    assert response.status_code == 200
    assert response.json()["revokedCount"] == 2
    assert set(response.json()) == {"revokedCount", "message"}
    assert names(root, filters={"status": ["active"]}) == ["key-003"]
    assert names(root, filters={"status": ["expired"]}) == ["key-005"]


@pytest.mark.row("MAAS-KEY-081")
@pytest.mark.parametrize("body", [{}, {"username": " "}, {"subscription": ""}, {"dryRun": True}])
def test_a_scope_is_required(alice: httpx.Client, body: dict[str, object]) -> None:
    response = alice.post("/v1/api-keys/bulk-revoke", json=body)
    assert (response.status_code, response.json()) == (
        400,
        {"error": "at least one of username or subscription is required"},
    )


@pytest.mark.row("MAAS-KEY-082")
@pytest.mark.parametrize(
    "body", [{"username": "bob"}, {"subscription": "basic"}, {"username": "alice", "subscription": "basic"}]
)
@pytest.mark.parametrize("dry", [True, False])
def test_other_scopes_need_an_administrator(
    alice: httpx.Client, maas: Instance, body: dict[str, object], dry: bool
) -> None:
    _stored(maas)
    response = alice.post("/v1/api-keys/bulk-revoke", json=body | {"dryRun": dry})
    assert (response.status_code, response.json()) == (403, DENIED)
    assert names(alice, filters={"status": ["active"]}) == ["key-002", "key-001"]


@pytest.mark.row("MAAS-KEY-083")
@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"subscription": "basic"}, ["key-002"]),
        ({"username": "alice"}, ["key-003"]),
        ({"username": "alice", "subscription": "basic"}, ["key-003", "key-002"]),
        ({"username": "nobody"}, ["key-003", "key-002", "key-001"]),
    ],
)
def test_an_administrator_revokes_exactly_the_scope(
    root: httpx.Client, maas: Instance, body: dict[str, str], left: list[str]
) -> None:
    _stored(maas)
    response = root.post("/v1/api-keys/bulk-revoke", json=body)
    assert response.json()["revokedCount"] == 3 - len(left)
    assert names(root, filters={"status": ["active"]}) == left


@pytest.mark.row("MAAS-KEY-084")
def test_a_rehearsal_changes_nothing(root: httpx.Client, maas: Instance) -> None:
    _stored(maas)
    response = root.post("/v1/api-keys/bulk-revoke", json={"subscription": "basic", "dryRun": True})
    assert (response.json()["revokedCount"], response.json()["dryRun"]) == (2, True)
    assert record(1).id not in response.text
    assert names(root, filters={"status": ["active"]}) == ["key-003", "key-002", "key-001"]


@pytest.mark.row("MAAS-KEY-085")
def test_a_bulk_revocation_is_audited_once_without_names(
    root: httpx.Client, maas: Instance, caplog: pytest.LogCaptureFixture
) -> None:
    _stored(maas)
    with caplog.at_level(logging.INFO, AUDIT):
        root.post("/v1/api-keys/bulk-revoke", json={"username": "alice", "dryRun": True})
        assert not [entry for entry in caplog.records if entry.name == AUDIT]
        root.post("/v1/api-keys/bulk-revoke", json={"username": "alice", "subscription": "basic"})
    entries = [entry.getMessage() for entry in caplog.records if entry.name == AUDIT]
    assert len(entries) == 1
    for part in (
        "AUDIT bulk-revoke",
        "audit.action=",
        "actor=",
        "tenant=models-as-a-service",
        "targetSubscription=basic",
        "revokedCount=1",
    ):
        assert part in entries[0]
    assert "alice" not in entries[0]
    assert "root" not in entries[0]


@pytest.mark.row("MAAS-KEY-087")
@pytest.mark.parametrize(("rights", "remembered_s"), [({"root"}, YES_S), (set(), NO_S)])
def test_an_administrators_right_is_remembered_for_a_bounded_time(rights: set[str], remembered_s: float) -> None:
    import asyncio

    assert (YES_S, NO_S) == (30.0, 2.0)
    cluster, now = FakeCluster(), [100.0]
    cluster.administrators = set(rights)
    administrators = Administrators(cluster, "ns", Metrics("t"), 8, clock=lambda: now[0])

    async def scenario() -> None:
        caller = Caller("root", ("a", "b"))
        before = await administrators.include(caller)
        cluster.administrators ^= {"root"}
        now[0] += remembered_s - 0.01
        assert await administrators.include(Caller("root", ("b", "a"))) is before
        now[0] += 0.01
        assert await administrators.include(caller) is not before

    asyncio.run(scenario())
    assert len(cluster.asked) == 2


@pytest.mark.row("MAAS-KEY-087")
def test_only_so_many_answers_are_remembered() -> None:
    import asyncio

    cluster = FakeCluster()
    administrators = Administrators(cluster, "ns", Metrics("t"), 3, clock=lambda: 0.0)

    async def scenario() -> None:
        for name in ("a", "b", "c", "d", "d", "a"):
            await administrators.include(Caller(name, ("g",)))

    asyncio.run(scenario())
    assert [name for name, _ in cluster.asked] == ["a", "b", "c", "d", "a"]
