"""Identity belongs to the gateway: what a client says of itself in headers counts for nothing, or ends the request."""

from functools import partial

import pytest

from harness.client.official import Via
from harness.engine.declaration import check
from harness.world.books import Books
from harness.world.clients import EACH_CLIENT
from harness.world.expectations import (
    expect,
    expect_equal,
    expect_refused,
    expect_served,
    expect_status,
    flat_error,
    model_ids,
)
from harness.world.sandwich import Sandwich, arrivals
from harness.world.world import World

IDENTITY_HEADERS = ("x-maas-username", "x-maas-group", "x-maas-subscription")


@EACH_CLIENT
@pytest.mark.parametrize("header", ["X-MaaS-Username", "X-MaaS-Group"])
@check("MAAS-AUTH-030")
def test_a_client_that_names_itself_is_refused(world: World, sandwich: Sandwich, header: str, via: Via) -> None:
    caller = world.anybody().over(via)
    value = '["system:masters"]' if header.endswith("Group") else "system:admin"
    sandwich(
        control=caller.infer,
        denied=partial(caller.infer, headers={header: value}),
        status=403,
        when=f"the client sends {header}",
    )


@pytest.mark.parametrize("header", ["X-MaaS-Username", "X-MaaS-Group"])
@check("MAAS-AUTH-030", needs={"kube"})
def test_key_management_refuses_it_too(world: World, sandwich: Sandwich, header: str) -> None:
    person = world.person(world.identity())
    sandwich(
        control=partial(person.manage, "POST", "/v1/api-keys/search", json={}),
        denied=partial(person.manage, "POST", "/v1/api-keys/search", json={}, headers={header: "admin"}),
        status=403,
        when=f"a management call carries {header}",
    )


@pytest.mark.parametrize("header", ["X-MaaS-Username", "X-MaaS-Group"])
@check("MAAS-AUTH-030", needs={"kube"})
def test_it_is_refused_on_every_path_whoever_calls(world: World, sandwich: Sandwich, header: str) -> None:
    """Below both prefixes, with a token and with a key, and at what spends, reads, revokes or does not exist."""
    who, subscription = world.member(), world.common()
    key, person = world.key(who, subscription), world.person(who, subscription)
    holder, named = world.caller(key, identity=who, subscription=subscription), {header: who.username}
    for path in ("/v1/models", "/v1/subscriptions", "/v1/api-keys/config", f"{holder.model.path}/v1/models"):
        for caller in (person, holder):
            sandwich(
                control=holder.models,
                denied=partial(caller.gateway, "GET", path, headers=named),
                status=403,
                when=f"GET {path} carries {header}",
            )
    for method, path in (
        ("DELETE", f"/v1/api-keys/{key.id}"),
        ("POST", "/v1/api-keys/bulk-revoke"),
        ("GET", "/v1/nope"),
    ):
        body = {"username": who.username} if method == "POST" else None
        refusal = person.manage(method, path, json=body, headers=named)
        expect_refused(refusal, 403, when=f"{method} {path} carries {header}")
    expect_served(holder.infer(), when="only refused requests asked for the key's end")


@EACH_CLIENT
@pytest.mark.parametrize("header", ["x-MAAS-username", "X-maas-GROUP"])
@check("MAAS-AUTH-031")
def test_neither_case_nor_emptiness_gets_past(world: World, sandwich: Sandwich, header: str, via: Via) -> None:
    caller = world.anybody().over(via)
    sandwich(
        control=caller.infer,
        denied=partial(caller.infer, headers={header: ""}),
        status=403,
        when=f"the client sends an empty {header}",
    )


@check("MAAS-AUTH-032", needs={"kube"})
def test_a_key_keeps_its_subscription_whatever_the_header_says(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who, bound = world.member(), world.common()
    other = world.subscription(who, models=second)
    world.policy(who, models=second)
    caller = world.subscriber(who, bound)
    exchange = caller.models(headers={"X-MaaS-Subscription": other.name})
    expect_equal(model_ids(exchange), (first.model_id,), of="models of the bound subscription", exchange=exchange)
    refused = caller.infer(model=second, headers={"X-MaaS-Subscription": other.name})
    expect_status(refused, 403, when="the header names a subscription that has the model, and the key's has not")
    expect_status(caller.infer(headers={"X-MaaS-Subscription": other.name}), 200, when="the bound subscription serves")


@check("MAAS-AUTH-034", needs={"kube"})
def test_an_empty_subscription_header_is_as_if_absent(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who = world.identity()
    world.subscription(who, models=first)
    world.subscription(who, models=second)
    world.policy(who, models=(first, second))
    person = world.person(who)
    plain, empty = expect_served(person.models()), person.models(headers={"X-MaaS-Subscription": ""})
    expect_equal(
        {first.model_id, second.model_id} - set(model_ids(empty)), set(),
        of="models of both subscriptions that an empty header hides", exchange=empty,
    )  # fmt: skip
    expect_equal(model_ids(empty), model_ids(plain), of="models with an empty header", exchange=empty)


@pytest.mark.parametrize(
    "value",
    ["'; DROP TABLE api_keys; --", '"]}', "../../etc/passwd", "%00", "a" * 4096, "${jndi:ldap://x}"],
    ids=["sql", "json", "path", "nul", "long", "lookup"],
)
@check("MAAS-AUTH-035", needs={"kube"})
def test_injection_into_the_subscription_header_breaks_nothing(world: World, sandwich: Sandwich, value: str) -> None:
    person = world.person(world.identity())
    sandwich(
        control=person.models,
        denied=partial(person.models, headers={"X-MaaS-Subscription": value}),
        status=403,
        when="the header names a subscription that cannot exist",
    )


@check("MAAS-AUTH-036", needs={"kube", "backends"})
def test_no_identity_header_reaches_the_model_server(world: World, books: Books) -> None:
    exchange = expect_served(world.anybody().infer(headers={"X-MaaS-Subscription": "elsewhere"}))
    assert books.journals is not None
    assert books.mark is not None
    arrived = arrivals(books.journals.since(books.mark), exchange)
    expect(bool(arrived), expected="the call in a journal", observed="it is in none", exchange=exchange)
    leaked = sorted(set(arrived[0].headers) & set(IDENTITY_HEADERS))
    expect_equal(leaked, [], of="identity headers at the model server", exchange=exchange)


@check("MAAS-AUTH-038", needs={"kube"})
def test_the_old_tenant_header_has_no_effect(world: World) -> None:
    who, subscription, named = world.member(), world.common(), {"X-MaaS-Tenant": "somebody-else"}
    customer, person = world.subscriber(who, subscription), world.person(who)
    plain = expect_served(customer.models())
    exchange = expect_served(customer.models(headers=named), when="X-MaaS-Tenant is sent")
    expect_equal(model_ids(exchange), model_ids(plain), of="models with X-MaaS-Tenant", exchange=exchange)
    expect_equal(model_ids(plain), (subscription.models[0].model_id,), of="models of the key", exchange=plain)
    expect_served(customer.infer(headers=named), when="X-MaaS-Tenant is sent")
    body = {"name": "elsewhere", "subscription": subscription.name}
    tenants = set()
    for headers in ({}, named):
        made = person.manage("POST", "/v1/api-keys", json=body, headers=headers)
        expect_status(made, 201, when=f"a key is minted with {sorted(headers) or 'no header'}")
        read = expect_served(person.manage("GET", f"/v1/api-keys/{made.json()['id']}", headers=headers))
        tenants.add(read.json().get("tenant"))
    expect(len(tenants) == 1 and None not in tenants, expected="keys of one tenant", observed=repr(tenants))


@check("MAAS-KEY-044", needs={"kube"})
def test_nobody_can_be_named_in_the_body_of_a_key(world: World) -> None:
    who, subscription = world.member(), world.common()
    key = world.key(who, subscription, extra={"username": "system:admin", "groups": ["system:masters"]})
    exchange = expect_served(world.person(who).manage("GET", f"/v1/api-keys/{key.id}"))
    expect_equal(exchange.json().get("username"), who.username, of="owner of the key", exchange=exchange)
    search, holder = "/v1/api-keys/search", world.caller(key)
    own = expect_served(holder.manage("POST", search, json={}))
    expect_equal([item["id"] for item in own.json()["data"]], [key.id], of="keys that the key finds", exchange=own)
    foreign = holder.manage("POST", search, json={"filters": {"username": "system:admin"}})
    expect_refused(
        foreign, 403, flat_error(), when="the key's body named system:masters, and the key searches for others' keys"
    )
