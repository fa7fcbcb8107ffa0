"""What a key tells of itself over its life, and how it is found again."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.world.apikey import ApiKey
from harness.world.caller import Caller
from harness.world.expectations import expect, expect_equal, expect_refused, expect_served, expect_status, flat_error
from harness.world.moment import expect_moment
from harness.world.patience import until
from harness.world.world import World

SEARCH: Final = "/v1/api-keys/search"
WRITTEN: Final = Bound("the use of a key is written down", 10)
SETTLED: Final = Bound("a further use would have been written down by now", 0.5)


def owner_of_keys(world: World, **options: Any) -> tuple[Caller, ApiKey]:
    """A user with a token, and a key of theirs that is minted already."""
    who, subscription = world.member(), world.common()
    key = world.key(who, subscription, **options)
    assert key.id
    return world.person(who, subscription), key


def described(person: Caller, key: ApiKey) -> dict[str, Any]:
    """What GET says of a key."""
    document: dict[str, Any] = expect_served(person.manage("GET", f"/v1/api-keys/{key.id}")).json()
    return document


def search(person: Caller, **filters: Any) -> Exchange:
    """A search by filters."""
    return person.manage("POST", SEARCH, json={"filters": filters})


def found_by(person: Caller, **filters: Any) -> set[str]:
    """Ids of the keys that a search finds."""
    return {item["id"] for item in expect_served(search(person, **filters)).json()["data"] or ()}


@check("MAAS-KEY-050", "MAAS-KEY-041", "MAAS-KEY-001", needs={"kube"})
def test_a_key_is_described_as_it_was_made(world: World) -> None:
    labels = {"team": "a"}
    person, key = owner_of_keys(world, expires_in="2h", extra={"description": "For the check.", "labels": labels})
    document = described(person, key)
    expected = {
        "id": key.id, "name": key.name, "description": "For the check.", "username": person.username,
        "subscription": person.subscription, "status": "active", "ephemeral": False, "labels": labels,
    }  # fmt: skip
    expect_equal(
        {name: document.get(name) for name in expected}, expected, of="the description", requirement="MAAS-KEY-050"
    )
    expect(bool(document.get("tenant")), expected="a tenant", observed=repr(document), requirement="MAAS-KEY-050")
    for name, source in (
        ("creationDate", document), ("expirationDate", document), ("createdAt", key.document), ("expiresAt", key.document)
    ):  # fmt: skip
        expect_moment(source, name, requirement="MAAS-KEY-001" if source is key.document else "MAAS-KEY-050")
    lifetime = expect_moment(document, "expirationDate") - expect_moment(document, "creationDate")
    expect_equal(round(lifetime / timedelta(hours=1), 3), 2.0, of="lifetime in hours", requirement="MAAS-KEY-050")


@check("MAAS-KEY-041", needs={"kube"})
def test_a_key_without_labels_shows_none(world: World) -> None:
    person, key = owner_of_keys(world)
    expect_equal(key.document.get("labels") or {}, {}, of="labels of the new key")
    expect_equal(described(person, key).get("labels") or {}, {}, of="labels of the key when it is read")


@check("MAAS-KEY-008", needs={"kube"})
def test_spaces_around_a_name_are_dropped(world: World) -> None:
    person, key = owner_of_keys(world, extra={"name": "  inner space  "})
    expect_equal(key.document.get("name"), "inner space", of="name of the new key")
    expect_equal(described(person, key).get("name"), "inner space", of="name of the key when it is read")


@check("MAAS-KEY-009", needs={"kube"})
def test_a_name_of_128_characters_of_several_bytes_fits(world: World) -> None:
    name = "ü" * 127 + "🔑"
    _, key = owner_of_keys(world, extra={"name": name})
    expect_equal(key.document.get("name"), name, of="name")


@check("MAAS-KEY-052", "MAAS-KEY-063", needs={"kube"})
def test_a_key_whose_time_has_passed_says_so(world: World) -> None:
    """The state is what is true now, whether or not anybody tried the key since."""
    person, key = owner_of_keys(world, expires_in="1s")
    probe, _ = until(
        lambda: person.manage("GET", f"/v1/api-keys/{key.id}"),
        lambda seen: seen.status == 200 and seen.json().get("status") != "active",
        Bound("the second that the key lives", 5),
    )
    expect_equal(
        expect_served(probe).json().get("status"), "expired", of="status", exchange=probe, requirement="MAAS-KEY-052"
    )
    expect_equal(found_by(person, status=["expired"]), {key.id}, of="expired keys", requirement="MAAS-KEY-063")
    expect_equal(found_by(person, status=["active"]), set(), of="active keys", requirement="MAAS-KEY-052")
    expect_equal(
        found_by(person, status=[" expired "]), {key.id}, of="keys by a padded status", requirement="MAAS-KEY-063"
    )


@check("MAAS-KEY-056", "MAAS-KEY-051", needs={"kube"})
def test_what_was_never_a_key_cannot_be_revoked(world: World) -> None:
    person, key = owner_of_keys(world)
    for identifier in (str(uuid.uuid4()), key.id[:-1], "not-a-uuid"):
        exchange = person.manage("DELETE", f"/v1/api-keys/{identifier}")
        expect_refused(exchange, 404, flat_error(text="API key not found"), when=f"{identifier} is revoked")
    expect_equal(described(person, key).get("status"), "active", of="status of the caller's own key")


@check("MAAS-KEY-065", needs={"kube"})
def test_keys_are_found_by_their_subscription_and_no_other_like_it(world: World) -> None:
    who = world.member()
    first, second = world.common(), world.subscription(who)
    one, other = world.key(who, first), world.key(who, second)
    person = world.person(who)
    assert one.id != other.id
    for name, wanted in (
        (first.name, {one.id}), (second.name, {other.id}), (first.name[:-1], set()), (first.name.upper(), set())
    ):  # fmt: skip
        expect_equal(found_by(person, subscription=name), wanted, of=f"keys of subscription {name}")


@check("MAAS-KEY-066", needs={"kube"})
def test_keys_are_found_by_all_of_the_labels_that_are_asked_for(world: World) -> None:
    who, subscription = world.member(), world.common()
    person = world.person(who)
    both = world.key(who, subscription, extra={"labels": {"team": "a", "env": "prod"}})
    one = world.key(who, subscription, extra={"labels": {"team": "a"}})
    none = world.key(who, subscription)
    assert len({both.id, one.id, none.id}) == 3
    for labels, wanted in (
        ({"team": "a"}, {both.id, one.id}),
        ({"team": "a", "env": "prod"}, {both.id}),
        ({"team": "a", "env": "test"}, set()),
        ({"team": "A"}, set()),
    ):
        expect_equal(found_by(person, labelsContain=labels), wanted, of=f"keys with labels {labels}")


@pytest.mark.parametrize(
    "labels",
    [{"-team": "a"}, {"team": ""}, {"k" * 129: "v"}, {"team": "a\nb"}],
    ids=["dash", "empty", "long", "control"],
)
@check("MAAS-KEY-066", needs={"kube"})
def test_labels_that_no_key_can_have_are_not_searched_for(world: World, labels: dict[str, str]) -> None:
    person, key = owner_of_keys(world, extra={"labels": {"team": "a"}})
    expect_equal(found_by(person, labelsContain={"team": "a"}), {key.id}, of="keys by a proper label")
    expect_refused(search(person, labelsContain=labels), 400, flat_error(), when=f"keys are searched by {labels}")


@check("MAAS-KEY-071", needs={"kube"})
def test_a_search_without_a_result_answers_null(world: World) -> None:
    """Clients of the platform are written for null here, and for [] elsewhere."""
    person, key = owner_of_keys(world)
    expect_equal(found_by(person), {key.id}, of="keys of somebody who has one")
    nobody = world.person(world.identity())
    for exchange in (search(nobody), search(person, subscription="no-such-subscription")):
        document = expect_served(exchange).json()
        expect_equal(
            ("data" in document, document.get("data"), document.get("has_more"), document.get("object")),
            (True, None, False, "list"), of="data present, data, has_more, object", exchange=exchange,
        )  # fmt: skip


@check("MAAS-KEY-103", needs={"kube"})
def test_the_last_use_is_written_down_but_not_every_use(world: World) -> None:
    who, subscription = world.member(), world.common()
    key = world.key(who, subscription)
    person, holder = world.person(who), world.caller(key, identity=who, subscription=subscription)
    before = datetime.now(UTC) - timedelta(minutes=1)
    expect_equal(described(person, key).get("lastUsedAt"), None, of="lastUsedAt of a key that nobody used")
    expect_served(holder.infer())
    document, _ = until(lambda: described(person, key), lambda seen: bool(seen.get("lastUsedAt")), WRITTEN)
    first = document.get("lastUsedAt")
    expect(
        expect_moment(document, "lastUsedAt") > before,
        expected="lastUsedAt, a moment of this check",
        observed=repr(first),
    )
    for _ in range(3):
        expect_served(holder.infer())
    later, _ = until(lambda: described(person, key), lambda seen: seen.get("lastUsedAt") != first, SETTLED)
    expect_equal(later.get("lastUsedAt"), first, of="lastUsedAt after further uses within a minute")


@check("MAAS-KEY-030", needs={"kube"})
def test_among_subscriptions_of_one_priority_the_larger_budget_decides_then_the_name(world: World) -> None:
    who = world.identity()
    priority = 3_000_000
    world.subscription(who, priority=priority, limit=500_000)
    first = world.subscription(who, priority=priority, limit=900_000)
    last = world.subscription(who, priority=priority, limit=900_000)
    person = world.person(who)
    assert world.key(who, last).id
    exchange = expect_status(person.manage("POST", "/v1/api-keys", json={"name": "any"}), 201, when="none is named")
    wanted = min(first.name, last.name)
    expect_equal(exchange.json().get("subscription"), wanted, of="subscription", exchange=exchange)


@check("MAAS-KEY-033", needs={"kube"})
def test_whoever_has_no_subscription_learns_nothing_of_those_of_others(world: World) -> None:
    """No subscription at all, somebody else's, and one that nobody has: one answer, to the letter."""
    foreign = world.common()
    who = world.identity("apart")
    person = world.person(who)
    wishes: list[dict[str, str]] = [{"subscription": foreign.name}, {"subscription": "no-such-subscription"}]
    if not world.entitlements(who).models:
        wishes.append({})
    for wish in wishes:
        exchange = person.manage("POST", "/v1/api-keys", json={"name": "guess", **wish})
        expect_status(exchange, 400, when=f"a key is asked for with {wish}")
        expected = {"error": "Unable to resolve a subscription for this API key", "code": "invalid_subscription"}
        expect_equal(exchange.json(), expected, of="the body", exchange=exchange)
