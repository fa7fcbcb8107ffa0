"""How the management API takes requests and answers them, whatever they are about."""

import re
import uuid
from typing import Any

import pytest

from harness.client.trace import REQUEST_ID
from harness.engine.declaration import check
from harness.world.caller import Caller
from harness.world.expectations import (
    expect,
    expect_equal,
    expect_refused,
    expect_served,
    expect_status,
    flat_error,
)
from harness.world.moment import expect_lifetime
from harness.world.world import World


def person_with_subscription(world: World) -> tuple[Caller, str]:
    """Somebody who may mint keys, and for what; their first key is minted, so that every cache knows them."""
    who, subscription = world.member(), world.common()
    assert world.key(who, subscription).id
    return world.person(who), subscription.name


@pytest.mark.parametrize("proper", ["abc-1", "A.b_c-9", "x" * 128], ids=["short", "marks", "longest"])
@check("MAAS-API-007", "MAAS-API-006")
def test_a_proper_request_id_is_echoed(stranger: Caller, proper: str) -> None:
    exchange = expect_served(stranger.manage("GET", "/health", headers={REQUEST_ID: proper}))
    expect_equal(exchange.header(REQUEST_ID), proper, of=REQUEST_ID, exchange=exchange)


@pytest.mark.parametrize("improper", ["a b", "x" * 129, "a/b", "{}"], ids=["space", "too-long", "slash", "braces"])
@check("MAAS-API-007", needs={"kube"})
def test_an_improper_request_id_is_replaced(stranger: Caller, improper: str) -> None:
    exchange = expect_served(stranger.manage("GET", "/health", headers={REQUEST_ID: improper}))
    shown = exchange.header(REQUEST_ID) or ""
    expect(_is_uuid(shown), expected="a UUID of the platform's own", observed=repr(shown), exchange=exchange)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


@check("MAAS-API-003", needs={"kube"})
def test_an_unknown_path_is_not_found(world: World) -> None:
    exchange = world.person(world.identity()).manage("GET", "/v1/nope")
    expect_status(exchange, 404, when="the path is unknown")
    expect_equal(exchange.text.strip(), "404 page not found", of="the body", exchange=exchange)
    expect(
        (exchange.header("content-type") or "").startswith("text/plain"),
        expected="plain text",
        observed=repr(exchange.header("content-type")),
        exchange=exchange,
    )


@check("MAAS-API-006", needs={"kube"})
def test_every_answer_has_a_request_id(world: World, stranger: Caller) -> None:
    """Served or refused, and whatever the caller sent as one; no two answers have the same."""
    person, subscription = person_with_subscription(world)
    improper, keys = {REQUEST_ID: "not a proper id"}, "/v1/api-keys"
    answers = (
        (200, stranger.manage("GET", "/health", headers=improper)),
        (200, person.manage("GET", "/v1/models", headers=improper)),
        (200, person.manage("POST", f"{keys}/search", json={}, headers=improper)),
        (201, person.manage("POST", keys, json={"name": "n", "subscription": subscription}, headers=improper)),
        (400, person.manage("POST", keys, json={}, headers=improper)),
        (404, person.manage("GET", f"{keys}/{uuid.uuid4()}", headers=improper)),
        (404, person.manage("GET", "/v1/nope", headers=improper)),
    )
    for status, exchange in answers:
        expect_status(exchange, status, when="an answer of that status is provoked")
        shown = exchange.header(REQUEST_ID) or ""
        expect(_is_uuid(shown), expected=f"a UUID in {REQUEST_ID}", observed=repr(shown), exchange=exchange)
    expect_equal(len({exchange.header(REQUEST_ID) for _, exchange in answers}), len(answers), of="different ids")


@check("MAAS-API-004", needs={"kube"})
def test_a_wrong_method_is_not_found_either(world: World) -> None:
    exchange = world.person(world.identity()).manage("PUT", f"/v1/api-keys/{uuid.uuid4()}", json={})
    expect_status(exchange, 404, when="the method is not one of the path's")


@pytest.mark.parametrize("content", [b"{", b"[]", b"", b'{"name": 7}'], ids=["cut", "array", "empty", "number"])
@check("MAAS-API-020", needs={"kube"})
def test_a_malformed_body_is_refused(world: World, content: bytes) -> None:
    person, _ = person_with_subscription(world)
    exchange = person.raw("POST", "/maas-api/v1/api-keys", content)
    expect_refused(exchange, 400, flat_error(), when=f"the body is {content!r}")
    expect(bool(exchange.json()["error"].strip()), expected="the decoder's text", observed="none", exchange=exchange)


@check("MAAS-API-020", "MAAS-KEY-072", needs={"kube"})
def test_an_empty_body_is_named_as_such(world: World) -> None:
    person, _ = person_with_subscription(world)
    for path in ("/maas-api/v1/api-keys", "/maas-api/v1/api-keys/search"):
        exchange = expect_status(person.raw("POST", path, b""), 400, when=f"{path} is called without a body")
        expect_equal(exchange.json(), {"error": "EOF"}, of="the body", exchange=exchange)


@check("MAAS-API-019", needs={"kube"})
def test_what_is_stored_nowhere_and_what_may_be(world: World) -> None:
    """Answers about rights must not be stored; of the others the row says that they carry no such header."""
    who, subscription = world.member(), world.common()
    key, person = world.key(who, subscription), world.person(who)
    path = f"/v1/api-keys/{key.id}"
    made = person.manage("POST", "/v1/api-keys", json={"name": "another", "subscription": subscription.name})
    for exchange, wanted in (
        (person.manage("POST", "/v1/api-keys/search", json={}), "no-store"),
        (person.manage("GET", f"/v1/model/{subscription.models[0].name}/subscriptions"), "no-store"),
        (person.manage("GET", path), None),
        (person.manage("GET", "/v1/api-keys/config"), None),
        (made, None),
    ):
        expect_status(exchange, 201 if exchange is made else 200, when="its owner asks")
        name = f"Cache-Control of {exchange.request.method} {exchange.request.url.partition('/maas-api')[2]}"
        expect_equal(exchange.header("Cache-Control"), wanted, of=name, exchange=exchange)


@check("MAAS-API-020", needs={"kube"})
def test_unknown_fields_are_ignored(world: World) -> None:
    person, subscription = person_with_subscription(world)
    body = {"name": "known", "subscription": subscription, "surprise": {"a": [1]}}
    expect_status(person.manage("POST", "/v1/api-keys", json=body), 201, when="the body has a field that nobody knows")


@check("MAAS-API-021", needs={"kube"})
def test_the_content_type_does_not_matter(world: World) -> None:
    person, subscription = person_with_subscription(world)
    content = b'{"name": "plain", "subscription": "' + subscription.encode() + b'"}'
    exchange = person.raw("POST", "/maas-api/v1/api-keys", content, headers={"Content-Type": "text/plain"})
    expect_status(exchange, 201, when="JSON is sent as text/plain")


@check("MAAS-API-005", needs={"kube"})
def test_a_body_over_a_mebibyte_is_refused(world: World) -> None:
    person, subscription = person_with_subscription(world)
    fits = {"name": "large", "subscription": subscription, "description": "d" * 1_000_000}
    expect_status(person.manage("POST", "/v1/api-keys", json=fits), 201, when="the body is below a mebibyte")
    exchange = person.manage("POST", "/v1/api-keys", json={**fits, "description": "d" * (1 << 20)})
    expect_refused(exchange, 400, flat_error(text="http: request body too large"), when="a body is over 1 MiB")


@check("MAAS-SEC-012", needs={"kube"})
def test_no_refusal_speaks_of_what_is_inside(world: World) -> None:
    person, subscription = person_with_subscription(world)
    keys = "/v1/api-keys"
    for status, exchange in (
        (404, person.manage("GET", f"{keys}/{'x' * 300}")),
        (404, person.manage("GET", f"{keys}/%27%3B%20DROP%20TABLE%20api_keys")),
        (400, person.manage("POST", keys, json={"name": "n", "subscription": "'; SELECT 1; --"})),
        (400, person.manage("POST", f"{keys}/search", json={"sort": {"by": "key_hash; --", "order": "asc"}})),
        (400, person.manage("POST", keys, json={"name": "n", "subscription": subscription, "expiresIn": "forever"})),
        (400, person.raw("POST", f"/maas-api{keys}", b'{"name": "\xff\xfe"')),
    ):
        expect_refused(exchange, status, flat_error(), when="a request is made to be refused")


@check("MAAS-TEN-008", needs={"kube"})
def test_tenants_are_not_offered_at_the_top_of_the_gateway(world: World) -> None:
    person = world.person(world.identity())
    expect_served(person.models())
    expect_status(person.gateway("GET", "/v1/tenants"), 404, when="somebody authenticated asks the gateway for tenants")


@check("MAAS-API-022", needs={"kube"})
def test_tokens_are_minted_nowhere_any_more(world: World, stranger: Caller) -> None:
    """Neither at the top nor below the prefix, by no method, and for strangers as little as for users."""
    person, _ = person_with_subscription(world)
    for method in ("POST", "GET"):
        for call in (person.gateway, person.manage):
            exchange = call(method, "/v1/tokens", json={"expiration": "1h"} if method == "POST" else None)
            expect_status(exchange, 404, when=f"somebody authenticated calls {method} {exchange.request.url}")
    for call in (stranger.gateway, stranger.manage):
        exchange = call("POST", "/v1/tokens", json={"expiration": "1h"})
        expect(
            exchange.status in (401, 404, 405),
            expected="401, 404 or 405 for a stranger, as the requirement has it",
            observed=str(exchange.status),
            exchange=exchange,
        )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param(
            "POST", "/internal/v1/subscriptions/select", id="select", marks=check("MAAS-SEC-001", needs={"kube"})
        ),
        pytest.param(
            "POST", "/internal/v1/api-keys/validate", id="validate", marks=check("MAAS-SEC-003", needs={"kube"})
        ),
        # a tenant that does not exist: where the operation is open it says so, and revokes nobody's keys
        pytest.param(
            "DELETE", "/internal/v1/tenants/nobodys/api-keys", id="tenant", marks=check("MAAS-SEC-002", needs={"kube"})
        ),
        # where it is open it does what it says, so only where nothing can be harmed
        pytest.param(
            "POST",
            "/internal/v1/api-keys/cleanup",
            id="cleanup",
            marks=check("MAAS-SEC-003", needs={"kube", "disposable"}),
        ),
    ],
)
def test_internal_calls_are_closed_to_users(world: World, method: str, path: str) -> None:
    person = world.person(world.identity())
    expect_served(person.models())
    exchange = person.manage(method, path, json={"username": "victim", "groups": ["g"], "key": "x"})
    expect(
        exchange.status in (403, 404),
        expected=f"403 or 404 for {path} from outside",
        observed=str(exchange.status),
        exchange=exchange,
    )


@check("MAAS-KEY-064", "MAAS-KEY-012", "MAAS-KEY-021", needs={"kube"})
def test_ephemeral_keys_are_short_lived_and_out_of_sight(world: World) -> None:
    who, subscription = world.member(), world.common()
    lasting = world.key(who, subscription)
    brief = world.key(who, subscription, extra={"ephemeral": True, "name": ""})
    person = world.person(who)
    assert lasting.id
    document = brief.document
    expect_equal(document.get("ephemeral"), True, of="ephemeral", requirement="MAAS-KEY-012")
    expect(
        re.fullmatch(r"ephemeral-\d{18,20}", str(document.get("name"))) is not None,
        expected="the name ephemeral-NANOSECONDS",
        observed=repr(document.get("name")),
        requirement="MAAS-KEY-012",
    )
    lifetime = expect_lifetime(document, requirement="MAAS-KEY-021")
    expect_equal(round(lifetime.total_seconds()), 3600, of="lifetime in seconds", requirement="MAAS-KEY-021")
    for body, wanted in (({}, {lasting.id}), ({"filters": {"includeEphemeral": True}}, {lasting.id, brief.id})):
        exchange = expect_served(person.manage("POST", "/v1/api-keys/search", json=body))
        found = {item["id"] for item in exchange.json()["data"]}
        expect_equal(found, wanted, of=f"keys found with {body}", exchange=exchange, requirement="MAAS-KEY-064")
    longest = {"ephemeral": True, "subscription": subscription.name, "expiresIn": "60m"}
    expect_status(
        person.manage("POST", "/v1/api-keys", json=longest), 201, when="an ephemeral key lives an hour",
        requirement="MAAS-KEY-021",
    )  # fmt: skip
    longer = {"ephemeral": True, "subscription": subscription.name, "expiresIn": "61m"}
    refused = person.manage("POST", "/v1/api-keys", json=longer)
    expect_refused(
        refused, 400, flat_error(), when="an ephemeral key is to outlive an hour", requirement="MAAS-KEY-021"
    )


@pytest.mark.parametrize(
    "labels",
    [
        {"team": "a", "example.com/env": "prod"},
        {"k" * 128: "v" * 1024},
        {f"k{number}": "v" for number in range(50)},
        {"a.b_c-d": "any text: ünïcode, even spaces"},
    ],
    ids=["two", "longest", "most", "marks"],
)
@check("MAAS-KEY-040", "MAAS-KEY-041", needs={"kube"})
def test_labels_of_a_key_come_back(world: World, labels: dict[str, str]) -> None:
    person, subscription = person_with_subscription(world)
    body = {"name": "labelled", "subscription": subscription, "labels": labels}
    made = person.manage("POST", "/v1/api-keys", json=body)
    expect_status(made, 201, when="labels are given", requirement="MAAS-KEY-040")
    read = expect_served(person.manage("GET", f"/v1/api-keys/{made.json()['id']}"))
    for exchange in (made, read):
        expect_equal(exchange.json().get("labels"), labels, of="labels", exchange=exchange, requirement="MAAS-KEY-041")


@pytest.mark.parametrize(
    ("labels", "limit"),
    [
        ({"k" * 129: "v"}, "128"),
        ({"team": ""}, "1024"),
        ({"team": "v" * 1025}, "1024"),
        ({"team": "a\x07b"}, "control"),
        ({"-team": "v"}, "key"),
        ({"team-": "v"}, "key"),
        ({f"k{number}": "v" for number in range(51)}, "50"),
    ],
    ids=["long", "empty", "long-value", "control", "dash-first", "dash-last", "many"],
)
@check("MAAS-KEY-040", needs={"kube"})
def test_labels_beyond_a_limit_are_refused_by_its_name(world: World, labels: dict[str, str], limit: str) -> None:
    person, subscription = person_with_subscription(world)
    body = {"name": "labelled", "subscription": subscription, "labels": labels}
    exchange = person.manage("POST", "/v1/api-keys", json=body)
    expect_refused(exchange, 400, flat_error(text=limit), when="a label is beyond a limit")


@pytest.mark.parametrize(
    ("lifetime", "seconds"), [("1h30m", 5400), ("1.5d", 129_600), ("2d", 172_800), (3600, 3600), (0.5e3, 500)]
)
@check("MAAS-KEY-023", needs={"kube"})
def test_how_a_lifetime_may_be_written(world: World, lifetime: str | float, seconds: int) -> None:
    person, subscription = person_with_subscription(world)
    body = {"name": "lifetime", "subscription": subscription, "expiresIn": lifetime}
    exchange = expect_status(person.manage("POST", "/v1/api-keys", json=body), 201, when=f"expiresIn is {lifetime!r}")
    lives = expect_lifetime(exchange.json(), exchange=exchange)
    expect_equal(round(lives.total_seconds()), seconds, of=f"lifetime of {lifetime!r} in seconds", exchange=exchange)


@pytest.mark.parametrize("lifetime", ["30d12h", "1w", True, "soon", "1h 30m", [60]])
@check("MAAS-KEY-023", needs={"kube"})
def test_a_lifetime_that_nobody_can_read_is_refused(world: World, lifetime: Any) -> None:
    person, subscription = person_with_subscription(world)
    body = {"name": "lifetime", "subscription": subscription, "expiresIn": lifetime}
    expect_refused(
        person.manage("POST", "/v1/api-keys", json=body), 400, flat_error(), when=f"expiresIn is {lifetime!r}"
    )
