"""Searching for keys: in which order they come, how many at a time, and whose an administrator sees."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import pytest

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.platforms.platform import Need
from harness.world.administrator import appoint
from harness.world.apikey import ApiKey
from harness.world.caller import Caller
from harness.world.expectations import expect, expect_equal, expect_refused, expect_served, expect_status, flat_error
from harness.world.patience import until
from harness.world.world import World

SEARCH: Final = "/v1/api-keys/search"
PAGE, LARGEST, MANY = 50, 100, 101
WRITTEN: Final = Bound("the use of a key is written down", 10)
GRANT: Final = Bound("a new administrator waits at most 2 s, and what a watch takes", 5)
TOGETHER: Final = 8
ADMINISTRATORS: tuple[Need, ...] = ("kube", "administrators")


def searched(person: Caller, **body: Any) -> Exchange:
    """The answer to a search that has to succeed."""
    return expect_served(person.manage("POST", SEARCH, json=body), when=f"keys are searched with {sorted(body)}")


def ids(exchange: Exchange) -> list[str]:
    """Ids of the keys that were found, in their order."""
    return [item["id"] for item in exchange.json()["data"] or ()]


def use(world: World, person: Caller, key: ApiKey) -> None:
    """Call with the key, and wait until its use is written down."""
    expect_served(world.caller(key).models())

    def last_use() -> object:
        return expect_served(person.manage("GET", f"/v1/api-keys/{key.id}")).json().get("lastUsedAt")

    seen, _ = until(last_use, bool, WRITTEN)
    expect(bool(seen), expected="lastUsedAt of a key that was used", observed=repr(seen), requirement="MAAS-KEY-103")


@check("MAAS-KEY-068", needs={"kube"})
def test_keys_come_in_the_order_that_is_asked_for(world: World) -> None:
    """Three keys whose order differs by each of the fields; the one that nobody used is last, whichever way the others are sorted."""
    who, subscription = world.member(), world.common()
    person = world.person(who)
    b, a, c = (world.key(who, subscription, expires_in=hours) for hours in ("3h", "1h", "2h"))
    for name, key in (("b", b), ("a", a), ("c", c)):
        key.name = name
        assert key.id
    use(world, person, c)
    use(world, person, a)
    upwards = {"name": [a, b, c], "created_at": [b, a, c], "expires_at": [a, c, b]}
    wanted = {(by, "asc"): keys for by, keys in upwards.items()}
    wanted |= {(by, "desc"): keys[::-1] for by, keys in upwards.items()}
    wanted |= {("last_used_at", "asc"): [c, a, b], ("last_used_at", "desc"): [a, c, b]}
    for (by, order), keys in wanted.items():
        for written in (order, order.upper()):
            exchange = searched(person, sort={"by": by, "order": written})
            expect_equal(ids(exchange), [key.id for key in keys], of=f"order by {by} {written}", exchange=exchange)
    expect_equal(ids(searched(person)), [key.id for key in (c, a, b)], of="order of a search without a wish")


@pytest.mark.parametrize("sort", [{"by": "secret", "order": "asc"}, {"by": "name", "order": "sideways"}])
@check("MAAS-KEY-068", needs={"kube"})
def test_an_unknown_order_is_refused(world: World, sort: dict[str, str]) -> None:
    exchange = world.person(world.identity()).manage("POST", SEARCH, json={"sort": sort})
    expect_refused(exchange, 400, flat_error(), when=f"keys are sorted by {sort}")


@check("MAAS-KEY-069", needs={"kube"})
def test_keys_come_in_pages(world: World) -> None:
    who, subscription = world.member(), world.common()
    made = [world.key(who, subscription).id for _ in range(5)]
    person = world.person(who)
    seen: list[str] = []
    for offset, number, more in ((0, 2, True), (2, 2, True), (4, 1, False), (5, 0, False)):
        exchange = searched(person, pagination={"limit": 2, "offset": offset})
        expect_equal(len(ids(exchange)), number, of=f"keys at offset {offset}", exchange=exchange)
        expect_equal(exchange.json().get("has_more"), more, of=f"has_more at offset {offset}", exchange=exchange)
        seen += ids(exchange)
    expect_equal(sorted(seen), sorted(made), of="keys of all pages, each once")
    for wrong in ({"limit": 0}, {"limit": -1}, {"limit": 2, "offset": -1}):
        refused = person.manage("POST", SEARCH, json={"pagination": wrong})
        expect_refused(refused, 400, flat_error(), when=f"the page is {wrong}")


@check("MAAS-KEY-069", needs={"kube"})
def test_a_page_has_fifty_keys_unless_said_otherwise_and_never_more_than_a_hundred(world: World) -> None:
    who, subscription = world.member(), world.common()
    person = world.person(who)
    assert world.key(who, subscription).id
    body = {"subscription": subscription.name, "expiresIn": "1h"}

    def mint(number: int) -> Exchange:
        return person.manage("POST", "/v1/api-keys", json={**body, "name": f"key-{number}"})

    with ThreadPoolExecutor(TOGETHER) as pool:
        for exchange in pool.map(mint, range(MANY - 1)):
            expect_status(exchange, 201, when="a subscriber mints one of many keys")
    for page, number, more in (
        ({}, PAGE, True),
        ({"limit": LARGEST}, LARGEST, True),
        ({"limit": 1000}, LARGEST, True),
        ({"limit": 1000, "offset": LARGEST}, MANY - LARGEST, False),
    ):
        exchange = searched(person, pagination=page) if page else searched(person)
        found = (len(set(ids(exchange))), exchange.json().get("has_more"))
        expect_equal(found, (number, more), of=f"keys and has_more of {MANY} with {page}", exchange=exchange)


@check("MAAS-KEY-060", needs=ADMINISTRATORS)
def test_an_administrator_finds_everybodys_keys_unless_a_name_is_given(world: World) -> None:
    """A label that no other check uses keeps the keys of others out of sight."""
    alice, bob, chief = world.member(), world.member(), world.identity()
    labels = {"check": world.name}
    subscription = world.common()
    keys = {who.username: world.key(who, subscription, extra={"labels": labels}) for who in (alice, bob)}
    everybody = {key.id for key in keys.values()}
    appoint(world, chief)
    person, look = world.person(chief), {"filters": {"labelsContain": labels}}
    answer, _ = until(
        partial(person.manage, "POST", SEARCH, json=look), lambda seen: seen.status == 200 and bool(ids(seen)), GRANT
    )
    expect_equal(set(ids(expect_served(answer))), everybody, of="keys that an administrator finds", exchange=answer)
    for username, key in keys.items():
        one = searched(person, filters={"labelsContain": labels, "username": username})
        expect_equal(ids(one), [key.id], of=f"keys that an administrator finds of {username}", exchange=one)
    own = searched(world.person(alice), **look)
    expect_equal(ids(own), [keys[alice.username].id], of="keys that a user finds by the same label", exchange=own)
