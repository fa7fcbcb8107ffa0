"""Reading, revoking and searching keys."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from harness.simulator.maas_api.record import KeyRecord, Status

from .instance import Instance

NOT_FOUND = {"error": "API key not found"}
MICROSECONDS = 1_000_000


def record(number: int, **changes: Any) -> KeyRecord:
    """A stored key of alice; `number` makes it unlike the others."""
    values: dict[str, Any] = {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "key_hash": f"{number:064x}",
        "tenant": "models-as-a-service",
        "username": "alice",
        "groups": ("system:authenticated",),
        "subscription": "basic",
        "name": f"key-{number:03d}",
        "description": "",
        "ephemeral": False,
        "status": Status.ACTIVE,
        "created_at": (1_700_000_000 + number) * MICROSECONDS,
        "expires_at": 4_000_000_000 * MICROSECONDS,
    }
    return KeyRecord(**values | changes)


def names(client: httpx.Client, **body: Any) -> list[str]:
    response = client.post("/v1/api-keys/search", json=body)
    assert response.status_code == 200, response.text
    return [entry["name"] for entry in response.json()["data"] or []]


@pytest.mark.row("MAAS-KEY-050")
def test_an_owner_reads_a_key(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice, name="laptop", description="on the road", labels={"a": "b"})
    described = alice.get(f"/v1/api-keys/{key['id']}")
    assert described.status_code == 200
    assert described.json() == {
        "id": key["id"],
        "name": "laptop",
        "description": "on the road",
        "username": "alice",
        "subscription": "basic",
        "tenant": "models-as-a-service",
        "creationDate": key["createdAt"],
        "expirationDate": key["expiresAt"],
        "status": "active",
        "ephemeral": False,
        "labels": {"a": "b"},
    }


@pytest.mark.row("MAAS-KEY-050", "MAAS-KEY-087")
def test_an_administrator_reads_and_revokes_keys_of_others(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice)
    maas.cluster.administrators.add("root")
    root = maas.caller("root")
    assert root.get(f"/v1/api-keys/{key['id']}").json()["username"] == "alice"
    assert root.delete(f"/v1/api-keys/{key['id']}").json()["status"] == "revoked"
    access = maas.cluster.asked[-1][1]
    assert (access.verb, access.group, access.resource, access.namespace) == (
        "create",
        "maas.opendatahub.io",
        "maasauthpolicies",
        "models-as-a-service",
    )


@pytest.mark.row("MAAS-KEY-051", "MAAS-KEY-056", "MAAS-MT-004")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_keys_of_others_and_of_nobody_look_the_same(alice: httpx.Client, maas: Instance, method: str) -> None:
    key = maas.mint(alice)
    maas.store_key(record(1, tenant="other", username="bob"))
    bob = maas.caller("bob")
    ids = [key["id"], "123e4567-e89b-42d3-a456-426614174000", "no-uuid", record(1).id]
    answers = [bob.request(method, f"/v1/api-keys/{key_id}") for key_id in ids]
    maas.cluster.failing = True
    answers.append(maas.caller("carol").request(method, f"/v1/api-keys/{key['id']}"))
    for answer in answers:
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
    assert alice.get(f"/v1/api-keys/{key['id']}").json()["status"] == "active"


@pytest.mark.row("MAAS-KEY-052")
def test_the_status_is_the_one_that_holds_now(alice: httpx.Client, maas: Instance) -> None:
    maas.store_key(record(1, expires_at=1_700_000_500 * MICROSECONDS))
    maas.store_key(record(2, expires_at=1_700_000_500 * MICROSECONDS, status=Status.REVOKED))
    assert alice.get(f"/v1/api-keys/{record(1).id}").json()["status"] == "expired"
    assert alice.get(f"/v1/api-keys/{record(2).id}").json()["status"] == "revoked"


@pytest.mark.row("MAAS-KEY-053", "MAAS-KEY-054")
def test_revoking_answers_with_the_key_and_works_once(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice)
    before = alice.get(f"/v1/api-keys/{key['id']}").json()
    revoked = alice.delete(f"/v1/api-keys/{key['id']}")
    assert (revoked.status_code, revoked.json()) == (200, before | {"status": "revoked"})
    again = alice.delete(f"/v1/api-keys/{key['id']}")
    assert (again.status_code, again.json()) == (404, NOT_FOUND)
    assert maas.validate(key["key"])["reason"] == "key revoked or expired"


@pytest.mark.row("MAAS-KEY-055")
def test_an_expired_key_cannot_be_revoked_whether_or_not_it_was_used(maas: Instance, upstream: Instance) -> None:
    for instance, unused, used in ((maas, 404, 404), (upstream, 200, 404)):
        instance.subscription("basic", ["m1"], users=("alice",))
        client = instance.caller("alice")
        keys = [instance.mint(client, expiresIn="1ns") for _ in range(2)]
        instance.validate(keys[1]["key"])
        assert client.delete(f"/v1/api-keys/{keys[0]['id']}").status_code == unused
        assert client.delete(f"/v1/api-keys/{keys[1]['id']}").status_code == used


@pytest.mark.row("MAAS-KEY-060", "MAAS-MT-004")
def test_a_search_finds_ones_own_keys_and_an_administrators_all(alice: httpx.Client, maas: Instance) -> None:
    maas.store_key(record(1))
    maas.store_key(record(2, username="bob"))
    maas.store_key(record(3, tenant="other"))
    maas.cluster.administrators.add("root")
    root = maas.caller("root")
    assert names(alice) == ["key-001"]
    assert names(root) == ["key-002", "key-001"]
    assert names(root, filters={"username": "bob"}) == ["key-002"]


@pytest.mark.row("MAAS-KEY-061")
def test_searching_for_somebody_else_needs_an_administrator(alice: httpx.Client) -> None:
    response = alice.post("/v1/api-keys/search", json={"filters": {"username": "bob"}})
    assert (response.status_code, response.json()) == (
        403,
        {"error": "non-admin users can only search their own API keys"},
    )
    assert alice.post("/v1/api-keys/search", json={"filters": {"username": "alice"}}).status_code == 200


@pytest.mark.row("MAAS-KEY-062", "MAAS-KEY-063")
def test_the_status_filter(alice: httpx.Client, maas: Instance) -> None:
    maas.store_key(record(1))
    maas.store_key(record(2, status=Status.REVOKED))
    maas.store_key(record(3, expires_at=1_700_000_500 * MICROSECONDS))
    maas.store_key(record(4, status=Status.EXPIRED))
    assert names(alice) == ["key-004", "key-003", "key-002", "key-001"]
    assert names(alice, filters={"status": ["active"]}) == ["key-001"]
    assert names(alice, filters={"status": [" revoked "]}) == ["key-002"]
    assert names(alice, filters={"status": ["expired"]}) == ["key-004", "key-003"]
    assert names(alice, filters={"status": ["expired", "active"]}) == ["key-004", "key-003", "key-001"]
    response = alice.post("/v1/api-keys/search", json={"filters": {"status": ["active", "bogus"]}})
    assert response.status_code == 400
    assert response.json()["error"].startswith("invalid status 'bogus': ")


@pytest.mark.row("MAAS-KEY-064")
def test_ephemeral_keys_are_shown_on_request(alice: httpx.Client, maas: Instance) -> None:
    maas.store_key(record(1))
    maas.store_key(record(2, ephemeral=True))
    assert names(alice) == ["key-001"]
    assert names(alice, filters={"includeEphemeral": True}) == ["key-002", "key-001"]


@pytest.mark.row("MAAS-KEY-065")
def test_the_subscription_filter_is_exact(alice: httpx.Client, maas: Instance) -> None:
    for number, subscription in enumerate(("basic", "basic-2", "Basic"), 1):
        maas.store_key(record(number, subscription=subscription))
    assert names(alice, filters={"subscription": "basic"}) == ["key-001"]


@pytest.mark.row("MAAS-KEY-066")
def test_the_label_filter_wants_all_labels(alice: httpx.Client, maas: Instance) -> None:
    maas.store_key(record(1, labels={"team": "a"}))
    maas.store_key(record(2, labels={"team": "a", "stage": "test"}))
    maas.store_key(record(3, labels={"team": "b", "stage": "test"}))
    assert names(alice, filters={"labelsContain": {"team": "a"}}) == ["key-002", "key-001"]
    assert names(alice, filters={"labelsContain": {"team": "a", "stage": "test"}}) == ["key-002"]
    assert names(alice, filters={"labelsContain": {"team": "c"}}) == []
    assert alice.post("/v1/api-keys/search", json={"filters": {"labelsContain": {"a b": "c"}}}).status_code == 400


@pytest.mark.row("MAAS-KEY-067")
def test_filters_that_upstream_ignores_are_ignored(alice: httpx.Client, maas: Instance) -> None:
    maas.store_key(record(1))
    assert names(
        alice, filters={"nameContains": "zzz", "createdAfter": "2100-01-01T00:00:00Z", "hasBeenUsed": True}
    ) == ["key-001"]


@pytest.mark.row("MAAS-KEY-068")
def test_the_order_of_a_search(alice: httpx.Client, maas: Instance) -> None:
    second = MICROSECONDS
    maas.store_key(record(1, name="b", created_at=3 * second, expires_at=None, last_used_at=2 * second))
    maas.store_key(record(2, name="c", created_at=1 * second, expires_at=9_000_000_000 * second, last_used_at=None))
    maas.store_key(
        record(3, name="a", created_at=2 * second, expires_at=8_000_000_000 * second, last_used_at=1 * second)
    )
    expected = {
        ("created_at", "desc"): "bac",
        ("created_at", "asc"): "cab",
        ("name", "asc"): "abc",
        ("name", "DESC"): "cba",
        ("expires_at", "asc"): "acb",
        ("expires_at", "desc"): "cab",
        ("last_used_at", "asc"): "abc",
        ("last_used_at", "Desc"): "bac",
    }
    assert {order: "".join(names(alice, sort={"by": order[0], "order": order[1]})) for order in expected} == expected
    assert "".join(names(alice)) == "bac"
    assert alice.post("/v1/api-keys/search", json={"sort": {"by": "status"}}).status_code == 400
    assert alice.post("/v1/api-keys/search", json={"sort": {"order": "up"}}).status_code == 400


@pytest.mark.row("MAAS-KEY-069")
def test_pages_are_exact(alice: httpx.Client, maas: Instance) -> None:
    for number in range(102):
        maas.store_key(record(number))

    def page(**pagination: int) -> tuple[int, bool]:
        answer = alice.post("/v1/api-keys/search", json={"pagination": pagination} if pagination else {}).json()
        return len(answer["data"] or []), answer["has_more"]

    assert page() == (50, True)
    assert page(limit=1000) == (100, True)
    assert page(limit=50, offset=52) == (50, False)
    assert page(limit=50, offset=51) == (50, True)
    assert page(limit=10, offset=102) == (0, False)
    for pagination in ({"limit": 0}, {"limit": -1}, {"limit": 1, "offset": -1}):
        assert alice.post("/v1/api-keys/search", json={"pagination": pagination}).status_code == 400


@pytest.mark.row("MAAS-KEY-070")
def test_an_offset_alone_takes_the_usual_page(maas: Instance, upstream: Instance) -> None:
    maas.store_key(record(1))
    maas.store_key(record(2))
    assert names(maas.caller("alice"), pagination={"offset": 1}) == ["key-001"]
    response = upstream.caller("alice").post("/v1/api-keys/search", json={"pagination": {"offset": 5}})
    assert (response.status_code, response.json()) == (400, {"error": "pagination.limit must be at least 1"})


@pytest.mark.row("MAAS-KEY-071")
def test_no_match_is_null(alice: httpx.Client) -> None:
    assert alice.post("/v1/api-keys/search", json={}).json() == {"object": "list", "data": None, "has_more": False}


@pytest.mark.row("MAAS-KEY-073")
def test_pages_do_not_overlap_under_equal_times(alice: httpx.Client, maas: Instance) -> None:
    for number in range(30):
        maas.store_key(record(number, created_at=5))
    pages = [names(alice, pagination={"limit": 7, "offset": offset}) for offset in range(0, 30, 7)]
    assert sorted(name for page in pages for name in page) == [f"key-{number:03d}" for number in range(30)]


@pytest.mark.row("MAAS-KEY-086")
def test_the_limits_of_lifetimes_can_be_read(alice: httpx.Client) -> None:
    response = alice.get("/v1/api-keys/config")
    assert (response.status_code, response.json()) == (
        200,
        {"max_expiration_days": 90, "ephemeral_max_expiration": "1h0m0s"},
    )


@pytest.mark.row("MAAS-KEY-103")
def test_the_last_use_is_written_once_per_interval(make_instance: Callable[..., Instance]) -> None:
    for debounce, moves in ((60.0, False), (0.0, True)):
        maas = make_instance(last_used_debounce_s=debounce)
        maas.subscription("basic", ["m1"], users=("alice",))
        alice = maas.caller("alice")
        key = maas.mint(alice)
        assert "lastUsedAt" not in alice.get(f"/v1/api-keys/{key['id']}").json()
        started = datetime.now(UTC)
        seen = []
        for _ in range(2):
            maas.validate(key["key"])
            maas.settle()
            seen.append(alice.get(f"/v1/api-keys/{key['id']}").json()["lastUsedAt"])
        assert started <= datetime.fromisoformat(seen[0]) <= datetime.now(UTC)
        assert (seen[0] != seen[1]) is moves


@pytest.mark.row("MAAS-KEY-024", "MAAS-KEY-108")
def test_a_key_ends_when_its_time_has_come(alice: httpx.Client, maas: Instance) -> None:
    for life_s in (1, 5, 25):  # a busy machine may take longer than a life to ask for the first time
        key = maas.mint(alice, expiresIn=life_s)
        ends = datetime.fromisoformat(key["expiresAt"]).timestamp()
        answers: list[tuple[float, float, bool]] = []
        while not answers or answers[-1][0] < ends + 0.05:
            asked = time.time()
            valid = maas.validate(key["key"])["valid"]
            answers.append((asked, time.time(), valid))
        if answers[0][1] < ends:
            break
    assert answers[0][1] < ends, "the key was never asked for before its end"
    assert all(valid for _, answered, valid in answers if answered < ends)
    assert not any(valid for asked, _, valid in answers if asked >= ends)
