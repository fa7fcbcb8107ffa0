"""The life of an API key: minted, read, searched, revoked; and every wrong way of asking for one."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest

from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.world.apikey import ApiKey
from harness.world.caller import Caller
from harness.world.expectations import expect, expect_equal, expect_refused, expect_served, expect_status, flat_error
from harness.world.moment import expect_lifetime
from harness.world.patience import until
from harness.world.world import World


def somebody_with_a_key(world: World, **options: Any) -> tuple[Caller, ApiKey]:
    """A user, and a key of theirs."""
    who, subscription = world.member(), world.common()
    return world.person(who, subscription), world.key(who, subscription, **options)


@check("MAAS-KEY-001", "MAAS-KEY-002", "MAAS-KEY-006", needs={"kube"})
def test_a_new_key_comes_with_all_it_takes_to_use_it(world: World) -> None:
    person, key = somebody_with_a_key(world)
    document = key.document
    wanted = {"key", "keyPrefix", "id", "name", "subscription", "createdAt", "expiresAt", "ephemeral"}
    expect_equal(wanted - set(document), set(), of="missing members of the answer", requirement="MAAS-KEY-001")
    shape = re.compile(r"sk-oai-[0-9A-Za-z]+_[0-9A-Za-z]+")
    expect(
        shape.fullmatch(document["key"]) is not None,
        expected="a key of the form sk-oai-<base62>_<base62>",
        observed=f"{len(document['key'])} characters of another form",
        requirement="MAAS-KEY-002",
    )
    lengths = [len(part) for part in document["key"].removeprefix("sk-oai-").split("_")]
    expect(
        14 <= lengths[0] <= 18 and 40 <= lengths[1] <= 46,
        expected="about 16 and 43 characters, which hold 96 and 256 bits",
        observed=f"{lengths[0]} and {lengths[1]}",
        requirement="MAAS-KEY-002",
    )
    expect(
        is_uuid(document["id"]) and document["id"] not in document["key"],
        expected="an id that is a UUID and no part of the key",
        observed=repr(document["id"]),
        requirement="MAAS-KEY-006",
    )
    expect_equal(document["subscription"], person.subscription, of="subscription", requirement="MAAS-KEY-001")


def is_uuid(text: object) -> bool:
    """Whether something is a UUID in its usual spelling."""
    try:
        return str(uuid.UUID(str(text))) == text
    except ValueError:
        return False


@check("MAAS-KEY-003", needs={"kube"})
def test_the_prefix_shows_where_a_key_begins(world: World) -> None:
    _, key = somebody_with_a_key(world)
    text = key.document["key"].removeprefix("sk-oai-")
    expect_equal(key.document["keyPrefix"], f"sk-oai-{text[:12]}...", of="keyPrefix")


@check("MAAS-KEY-005", "MAAS-KEY-050", needs={"kube"})
def test_a_key_is_shown_once_and_never_again(world: World) -> None:
    person, key = somebody_with_a_key(world)
    read = expect_served(person.manage("GET", f"/v1/api-keys/{key.id}"))
    found = expect_served(person.manage("POST", "/v1/api-keys/search", json={}))
    plaintext = key.document["key"].encode()
    document = read.json()
    items = found.json()["data"] or []
    expect_equal([item.get("id") for item in items], [key.id], of="keys found", exchange=found)
    gone = expect_status(person.manage("DELETE", f"/v1/api-keys/{key.id}"), 200, when="the key is revoked")
    for exchange, shown in ((read, document), (found, items[0]), (gone, gone.json())):
        told = {"key", "keyPrefix", "groups"} & set(shown)
        expect_equal(told, set(), of="members that give too much away", exchange=exchange)
        expect(plaintext not in exchange.body, expected="no plaintext", observed="the key", exchange=exchange)
    expect_equal(
        (document.get("id"), document.get("username"), document.get("status")),
        (key.id, person.username, "active"),
        of="id, username, status",
        exchange=read,
        requirement="MAAS-KEY-050",
    )


@check("MAAS-KEY-051", needs={"kube"})
def test_a_foreign_key_looks_like_an_unknown_one(world: World) -> None:
    owner, key = somebody_with_a_key(world)
    other = world.person(world.identity())
    answers = [
        expect_refused(
            other.manage(method, f"/v1/api-keys/{identifier}"),
            404,
            flat_error(text="API key not found"),
            when="the key is somebody else's, or nobody's",
        )
        for method in ("GET", "DELETE")
        for identifier in (key.id, str(uuid.uuid4()))
    ]
    expect_equal(len({answer.body for answer in answers}), 1, of="different bodies", exchange=answers[0])
    read = expect_served(owner.manage("GET", f"/v1/api-keys/{key.id}"))
    expect_equal(read.json().get("status"), "active", of="status of the key afterwards", exchange=read)


@check("MAAS-KEY-053", "MAAS-KEY-054", needs={"kube"})
def test_revoking_answers_with_the_revoked_key_and_only_once(world: World) -> None:
    person, key = somebody_with_a_key(world)
    path = f"/v1/api-keys/{key.id}"
    first = expect_status(person.manage("DELETE", path), 200, when="a key is revoked", requirement="MAAS-KEY-053")
    document = first.json()
    expect_equal(
        (document.get("id"), document.get("name"), document.get("username"), document.get("status")),
        (key.id, key.name, person.username, "revoked"),
        of="id, name, username, status",
        exchange=first,
        requirement="MAAS-KEY-053",
    )
    expect_refused(
        person.manage("DELETE", path),
        404,
        flat_error(text="API key not found"),
        when="it is revoked again",
        requirement="MAAS-KEY-054",
    )


@check("MAAS-KEY-060", needs={"kube"})
def test_a_search_finds_ones_own_keys_only(world: World) -> None:
    person, key = somebody_with_a_key(world)
    _, foreign = somebody_with_a_key(world)
    wanted = [key.id]
    assert foreign.id not in wanted
    exchange = expect_served(person.manage("POST", "/v1/api-keys/search", json={"pagination": {"limit": 100}}))
    found = [item["id"] for item in exchange.json()["data"] or ()]
    expect_equal(found, wanted, of="keys found", exchange=exchange)


@check("MAAS-KEY-061", needs={"kube"})
def test_nobody_searches_for_somebody_elses_keys(world: World) -> None:
    person, key = somebody_with_a_key(world)
    assert key.id
    own = expect_served(person.manage("POST", "/v1/api-keys/search", json={"filters": {"username": person.username}}))
    expect_equal([item["id"] for item in own.json()["data"]], [key.id], of="keys by one's own name", exchange=own)
    exchange = person.manage("POST", "/v1/api-keys/search", json={"filters": {"username": "system:admin"}})
    expect_refused(
        exchange,
        403,
        flat_error(text="non-admin users can only search their own API keys"),
        when="a user searches by another username",
    )


@check("MAAS-KEY-062", "MAAS-KEY-063", needs={"kube"})
def test_a_search_by_status(world: World) -> None:
    who, subscription = world.member(), world.common()
    person = world.person(who)
    kept, dropped = world.key(who, subscription), world.key(who, subscription)
    expect_status(person.manage("DELETE", f"/v1/api-keys/{dropped.id}"), 200, when="a key is revoked")
    for statuses, wanted in ((["active"], {kept.id}), (["revoked"], {dropped.id}), (None, {kept.id, dropped.id})):
        body = {"filters": {"status": statuses}} if statuses else {}
        exchange = expect_served(person.manage("POST", "/v1/api-keys/search", json=body))
        found = {item["id"] for item in exchange.json()["data"] or ()}
        expect_equal(found, wanted, of=f"keys with status {statuses or 'any'}", exchange=exchange)
    wrong = person.manage("POST", "/v1/api-keys/search", json={"filters": {"status": ["bogus"]}})
    text = "invalid status 'bogus'"
    expect_refused(wrong, 400, flat_error(text=text), when="the status is none", requirement="MAAS-KEY-063")


@pytest.mark.parametrize(
    ("requirement", "body", "text"),
    [
        pytest.param("MAAS-KEY-007", {}, "name is required for non-ephemeral keys", id="no-name"),
        pytest.param("MAAS-KEY-008", {"name": "   "}, "key name cannot be whitespace only", id="blank"),
        pytest.param("MAAS-KEY-009", {"name": "ü" * 129}, "key name cannot exceed 128 characters", id="too-long"),
        *(
            pytest.param(
                "MAAS-KEY-010",
                {"name": f"a{character}b"},
                "invalid control characters",
                id=f"control-{ord(character):02x}",
            )
            for character in "\x00\n\x1f\x7f"
        ),
    ],
)
@check("MAAS-KEY-007", "MAAS-KEY-008", "MAAS-KEY-009", "MAAS-KEY-010", needs={"kube"})
def test_a_key_needs_a_proper_name(world: World, requirement: str, body: dict[str, Any], text: str) -> None:
    who, subscription = world.member(), world.common()
    person = world.person(who)
    assert world.key(who, subscription).id
    exchange = person.manage("POST", "/v1/api-keys", json={"subscription": subscription.name, **body})
    when = f"the key's name is {body.get('name')!r}"
    expect_refused(exchange, 400, flat_error(text=text), when=when, requirement=requirement)


@pytest.mark.parametrize(
    "lifetime", ["0s", "-1h", "", 0, -60, "-1d"], ids=["zero", "negative", "empty", "number", "below", "days"]
)
@check("MAAS-KEY-022", needs={"kube"})
def test_a_lifetime_is_positive(world: World, lifetime: str | int) -> None:
    who, subscription = world.member(), world.common()
    person = world.person(who)
    body = {"name": "brief", "subscription": subscription.name, "expiresIn": lifetime}
    expect_refused(
        person.manage("POST", "/v1/api-keys", json=body),
        400,
        flat_error(text="expiration must be positive"),
        when=f"expiresIn is {lifetime!r}",
    )


@check("MAAS-KEY-020", "MAAS-KEY-086", needs={"kube"})
def test_no_key_outlives_the_maximum(world: World) -> None:
    person, key = somebody_with_a_key(world)
    config = expect_served(person.manage("GET", "/v1/api-keys/config"))
    days = config.json().get("max_expiration_days")
    expect(
        isinstance(days, int) and days > 0,
        expected="max_expiration_days, a positive integer",
        observed=repr(days),
        exchange=config,
        requirement="MAAS-KEY-086",
    )
    expect_equal(
        config.json().get("ephemeral_max_expiration"), "1h0m0s", of="ephemeral_max_expiration", exchange=config,
        requirement="MAAS-KEY-086",
    )  # fmt: skip
    lifetime = expect_lifetime(key.document, requirement="MAAS-KEY-020")
    expect(
        abs(lifetime - timedelta(days=days)) < timedelta(minutes=1),
        expected=f"a default lifetime of {days} days",
        observed=str(lifetime),
        requirement="MAAS-KEY-020",
    )
    body = {"name": "eternal", "subscription": person.subscription, "expiresIn": f"{days}d"}
    longest = person.manage("POST", "/v1/api-keys", json=body)
    expect_status(longest, 201, when="the lifetime is just the maximum", requirement="MAAS-KEY-020")
    expect_refused(
        person.manage("POST", "/v1/api-keys", json={**body, "expiresIn": f"{days + 1}d"}),
        400,
        flat_error(text="exceed"),
        when="the lifetime is a day too long",
        requirement="MAAS-KEY-020",
    )


@check("MAAS-KEY-033", needs={"kube"})
def test_no_subscription_can_be_guessed_by_minting(world: World) -> None:
    alice, foreign = world.identity(), world.common()
    own = world.subscription(alice)
    person = world.person(alice)
    assert world.key(alice, own).id
    answers = [
        expect_refused(
            person.manage("POST", "/v1/api-keys", json={"name": "guess", "subscription": name}),
            400,
            flat_error(code="invalid_subscription"),
            when="a key is asked for a subscription that is not the caller's",
        )
        for name in (foreign.name, "no-such-subscription")
    ]
    expect_equal(
        answers[0].body, answers[1].body, of="answer for a foreign and for an unknown name", exchange=answers[0]
    )


@check("MAAS-KEY-032", needs={"kube"})
def test_a_subscription_may_be_named_with_its_namespace(world: World) -> None:
    who, subscription = world.member(), world.common()
    person = world.person(who)
    assert world.key(who, subscription).id
    body = {"name": "full", "subscription": f"{subscription.ref.namespace}/{subscription.name}"}
    exchange = expect_status(person.manage("POST", "/v1/api-keys", json=body), 201, when="it is named in full")
    expect_equal(exchange.json().get("subscription"), subscription.name, of="subscription", exchange=exchange)


@check("MAAS-KEY-030", needs={"kube"})
def test_without_a_name_the_subscription_of_highest_priority_is_taken(world: World) -> None:
    who = world.identity()
    world.subscription(who, priority=1_000_000)
    best = world.subscription(who, priority=2_000_000)
    person = world.person(who)
    assert world.key(who, best).id
    exchange = expect_status(person.manage("POST", "/v1/api-keys", json={"name": "any"}), 201, when="none is named")
    expect_equal(exchange.json().get("subscription"), best.name, of="subscription", exchange=exchange)


@check("MAAS-KEY-080", needs={"kube"})
def test_all_of_ones_own_keys_can_be_revoked_at_once(world: World) -> None:
    who, subscription = world.member(), world.common()
    person = world.person(who)
    brief = world.key(who, subscription, expires_in="1s").id  # first, so that its second passes meanwhile
    keys = [world.key(who, subscription).id for _ in range(3)]
    gone = world.key(who, subscription).id
    expect_status(person.manage("DELETE", f"/v1/api-keys/{gone}"), 200, when="one of the keys is revoked before")

    def state_of(identifier: str) -> object:
        return expect_served(person.manage("GET", f"/v1/api-keys/{identifier}")).json().get("status")

    until(lambda: state_of(brief), lambda state: state == "expired", Bound("the second that the key lives", 5))
    exchange = expect_status(
        person.manage("POST", "/v1/api-keys/bulk-revoke", json={"username": who.username}), 200, when="own keys go"
    )
    expect_equal(
        exchange.json().get("revokedCount"), 3, of="revokedCount, of active and unexpired keys", exchange=exchange
    )
    expect(
        isinstance(exchange.json().get("message"), str), expected="a message", observed=exchange.text, exchange=exchange
    )
    for identifier in keys:
        read = expect_served(person.manage("GET", f"/v1/api-keys/{identifier}"))
        expect_equal(read.json().get("status"), "revoked", of="status after bulk-revoke", exchange=read)


@check("MAAS-KEY-082", needs={"kube"})
def test_nobody_revokes_the_keys_of_others(world: World) -> None:
    victim, key = somebody_with_a_key(world)
    attacker = world.person(world.identity())
    assert key.id
    scopes: tuple[dict[str, Any], ...] = ({"username": victim.username}, {"subscription": victim.subscription})
    for body in (*scopes, *({**scope, "dryRun": True} for scope in scopes)):
        expect_refused(
            attacker.manage("POST", "/v1/api-keys/bulk-revoke", json=body),
            403,
            flat_error(text="Access denied: admin privileges required for this bulk revoke operation"),
            when=str(body),
        )
    read = expect_served(victim.manage("GET", f"/v1/api-keys/{key.id}"))
    expect_equal(read.json().get("status"), "active", of="status of the victim's key", exchange=read)
