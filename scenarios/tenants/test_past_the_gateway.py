"""A tenant's management API as the gateway and the controller see it: what it makes of identity headers, and its internal operations."""

from typing import Any, Final

from harness.client.exchange import Exchange
from harness.client.measuring import Call
from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.platforms.platform import Need
from harness.world.apikey import ApiKey
from harness.world.expectations import (
    expect,
    expect_equal,
    expect_json,
    expect_refused,
    expect_served,
    expect_status,
    flat_error,
    model_ids,
)
from harness.world.governance import Subscription
from harness.world.identity import Identity
from harness.world.patience import until
from harness.world.tenant import Tenant
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "tenants", "instances")
KEYS: Final = "/v1/api-keys"
SEARCH: Final = f"{KEYS}/search"
STRICT: Final = (
    ("POST", KEYS),
    ("GET", f"{KEYS}/config"),
    ("GET", f"{KEYS}/nobodys"),
    ("DELETE", f"{KEYS}/nobodys"),
    ("POST", f"{KEYS}/bulk-revoke"),
)
NAME, GROUPS = "X-MaaS-Username", "X-MaaS-Group"
FORMLESS: Final = Secret("nonsense")
NEVER_ISSUED: Final = Secret("sk-oai-FFFFFFFFFFFFFFFF_5555555555555555555555555555555555555555555")
SECOND: Final = Bound("the second that the key lives", 5)
WRITTEN: Final = Bound("the last use of a key is written down", 10)


def sent(tenant: Tenant, method: str, path: str, *, json: Any = None, **headers: str) -> Exchange:
    """A call of the tenant's own instance, past its gateway, with these headers and no credential."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return tenant.wire.send(Call(method, f"{tenant.instance()}{path}", json=json, headers=named))


def as_told(tenant: Tenant, method: str, path: str, given: dict[str, str], *, json: Any = None) -> Exchange:
    """The same with identity headers as the gateway writes them."""
    return tenant.wire.send(Call(method, f"{tenant.instance()}{path}", json=json, headers=given))


def expect_broken(exchange: Exchange, reference: str, *, when: str, requirement: str) -> None:
    """500 AUTH_FAILURE with that reference: somebody reached the service without the gateway's word, and it is nobody's 401."""
    expect_status(exchange, 500, when=when, requirement=requirement)
    wanted = {
        "error": "Exception thrown while generating token",
        "exceptionCode": "AUTH_FAILURE",
        "refId": reference,
    }
    expect_equal(expect_json(exchange), wanted, of=f"the body when {when}", exchange=exchange, requirement=requirement)


def member(tenant: Tenant, number: int = 1) -> tuple[Identity, list[Subscription]]:
    """Somebody whose group has access and so many subscriptions at the tenant."""
    who = tenant.identity("team")
    subscriptions = [tenant.subscription(who.group) for _ in range(number)]
    tenant.policy(who.group)
    tenant.settle()
    answer, _ = tenant.until(tenant.person(who).models, lambda seen: bool(model_ids(seen)))
    expect_served(answer)
    return who, subscriptions


@check("MAAS-API-015", "MAAS-API-016", "MAAS-API-017", "MAAS-LIST-001", "MAAS-LIST-013", needs=NEEDS)
def test_without_the_gateways_word_nobody_is_anybody(world: World) -> None:
    """Strict operations fail, optional ones are empty, and half an identity is a fault everywhere."""
    tenant = world.common_tenant()
    who, _ = member(tenant)
    whole = {NAME: who.username, GROUPS: f'["{who.group}"]'}
    model = tenant.model().model_id
    expect_equal(model_ids(as_told(tenant, "GET", "/v1/models", whole)), (model,), of="models of somebody known")
    exchange = as_told(tenant, "GET", "/v1/models", {NAME: "somebody", GROUPS: '["without-quota"]'})
    expect_status(exchange, 200, when="somebody without a subscription lists models", requirement="MAAS-LIST-013")
    nothing = {"object": "list", "data": []}
    expect_equal(expect_json(exchange), nothing, of="an empty list", exchange=exchange, requirement="MAAS-LIST-001")
    lacking: tuple[tuple[dict[str, str], str], ...] = (
        ({}, "001"),
        ({GROUPS: '["a"]'}, "001"),
        ({NAME: who.username}, "002"),
        ({NAME: who.username, GROUPS: "a,b"}, "003"),
        ({NAME: who.username, GROUPS: "[]"}, "003"),
    )
    for method, path in STRICT:
        for given, reference in lacking:
            exchange = as_told(tenant, method, path, given, json={} if method == "POST" else None)
            when = f"{method} {path} is called with {sorted(given) or 'no identity headers'}"
            expect_broken(exchange, reference, when=when, requirement="MAAS-API-015")
    empty: tuple[tuple[str, str, Any], ...] = (
        ("GET", "/v1/models", nothing),
        ("GET", "/v1/subscriptions", []),
        ("POST", SEARCH, {"object": "list", "data": [], "has_more": False}),
    )
    for method, path, wanted in empty:
        exchange = as_told(tenant, method, path, {}, json={} if method == "POST" else None)
        expect_status(exchange, 200, when=f"{path} is called by nobody", requirement="MAAS-API-016")
        expect_equal(
            expect_json(exchange), wanted, of=f"{path} of nobody", exchange=exchange, requirement="MAAS-API-016"
        )
        for given, reference in (lacking[1], lacking[2]):
            exchange = as_told(tenant, method, path, given, json={} if method == "POST" else None)
            when = f"{method} {path} is called with {sorted(given)} alone"
            expect_broken(exchange, reference, when=when, requirement="MAAS-API-017")
    expect_equal(model_ids(as_told(tenant, "GET", "/v1/models", whole)), (model,), of="models of somebody known")


@check("MAAS-API-018", needs=NEEDS)
def test_groups_come_as_json_or_as_words_and_blank_ones_are_none(world: World) -> None:
    tenant = world.common_tenant()
    who, [subscription] = member(tenant)
    for groups in (f'["{who.group}"]', f"[{who.group} other]", f'["", " ", "{who.group}"]', f'["  {who.group} "]'):
        exchange = as_told(tenant, "GET", "/v1/subscriptions", {NAME: "somebody", GROUPS: groups})
        expect_status(exchange, 200, when=f"the groups are {groups}")
        names = [entry["subscription_id_header"] for entry in expect_json(exchange)]
        expect_equal(names, [subscription.name], of=f"subscriptions with the groups {groups}", exchange=exchange)
    for groups in ('["", " "]', "[ ]"):
        exchange = as_told(tenant, "GET", "/v1/subscriptions", {NAME: "somebody", GROUPS: groups})
        expect_broken(exchange, "003", when=f"the groups are {groups}", requirement="MAAS-API-018")


def validated(tenant: Tenant, key: Secret) -> Exchange:
    """What the instance says of a key to the gateway."""
    return sent(tenant, "POST", "/internal/v1/api-keys/validate", json={"key": key.reveal()})


@check("MAAS-KEY-103", needs=NEEDS)
def test_uses_within_a_minute_are_written_down_once(world: World) -> None:
    """Said to the instance itself: a gateway may remember who a key stands for, and then one use is all that the instance hears of."""
    tenant = world.common_tenant()
    who, [subscription] = member(tenant)
    key, later = tenant.key(who, subscription), tenant.key(who, subscription)
    person = tenant.person(who)

    def last_used(of: ApiKey) -> Any:
        return expect_json(expect_served(person.manage("GET", f"{KEYS}/{of.id}"))).get("lastUsedAt")

    def used(of: ApiKey) -> Any:
        expect_status(validated(tenant, of.secret()), 200, when="the gateway asks whose key it is")
        return until(lambda: last_used(of), bool, WRITTEN)[0]

    first = used(key)
    expect(bool(first), expected="lastUsedAt of a key that was used", observed=repr(first))
    for _ in range(3):
        expect_status(validated(tenant, key.secret()), 200, when="the gateway asks whose key it is once more")
    expect(bool(used(later)), expected="lastUsedAt of a key that was used after it", observed="none")
    expect_equal(last_used(key), first, of="lastUsedAt after further uses within a minute")


@check("MAAS-KEY-100", "MAAS-KEY-101", "MAAS-KEY-102", needs=NEEDS)
def test_whose_key_it_is_and_why_it_is_nobodys(world: World) -> None:
    tenant = world.common_tenant()
    who, [_, subscription] = member(tenant, 2)
    brief = tenant.key(who, subscription, expires_in="1s")
    brief.secret()  # first, so that its second passes meanwhile
    key, revoked = tenant.key(who, subscription), tenant.key(who, subscription)
    person = tenant.person(who)
    exchange = expect_status(validated(tenant, key.secret()), 200, when="the key is good", requirement="MAAS-KEY-100")
    told = expect_json(exchange)
    wanted = {
        "valid": True,
        "userId": key.id,
        "username": who.username,
        "keyId": key.id,
        "keyName": key.name,
        "subscription": subscription.name,
        "tenant": tenant.name,
    }
    expect_equal(
        {field: told.get(field) for field in wanted}, wanted, of="what a good key is", exchange=exchange,
        requirement="MAAS-KEY-100",
    )  # fmt: skip
    expect_equal(
        set(told.get("groups") or ()), set(who.groups), of="groups", exchange=exchange, requirement="MAAS-KEY-100"
    )
    expect_status(person.manage("DELETE", f"{KEYS}/{revoked.id}"), 200, when="a key is revoked")
    until(lambda: validated(tenant, brief.secret()), lambda seen: expect_json(seen).get("valid") is False, SECOND)
    for wrong, reason in (
        (FORMLESS, "invalid key format"),
        (NEVER_ISSUED, "key not found"),
        (revoked.secret(), "key revoked or expired"),
        (brief.secret(), "key revoked or expired"),
    ):
        exchange = expect_status(validated(tenant, wrong), 200, when=f"it is a {reason}", requirement="MAAS-KEY-101")
        answer = {"valid": False, "tenant": "", "reason": reason}
        expect_equal(expect_json(exchange), answer, of="the answer", exchange=exchange, requirement="MAAS-KEY-101")
    for body in ({}, {"key": ""}):
        exchange = sent(tenant, "POST", "/internal/v1/api-keys/validate", json=body)
        expect_refused(
            exchange, 400, flat_error(text="key is required"), when=f"{body} is sent", requirement="MAAS-KEY-102"
        )
    expect_equal(expect_json(validated(tenant, key.secret())).get("valid"), True, of="valid, of the good key again")


@check("MAAS-KEY-105", needs=NEEDS)
def test_a_cleanup_spares_what_may_still_be_asked_about(world: World) -> None:
    """Which keys stay; that an ephemeral one goes half an hour after its end is shown by the contract tests of the reference platform."""
    tenant = world.common_tenant()
    who, [subscription] = member(tenant)
    ephemeral: dict[str, Any] = {"extra": {"ephemeral": True}}
    kept = [
        tenant.key(who, subscription, expires_in="1s"),
        tenant.key(who, subscription, expires_in="1s", **ephemeral),
        tenant.key(who, subscription, **ephemeral),
        tenant.key(who, subscription),
    ]
    ids = {key.id for key in kept}
    person = tenant.person(who)

    def of_status(*status: str) -> set[str]:
        filters = {"includeEphemeral": True, **({"status": status} if status else {})}
        exchange = expect_served(person.manage("POST", SEARCH, json={"filters": filters}))
        return {entry["id"] for entry in expect_json(exchange)["data"] or ()}

    until(lambda: of_status("expired"), lambda found: len(found) == 2, SECOND)
    exchange = expect_status(sent(tenant, "POST", "/internal/v1/api-keys/cleanup"), 200, when="keys are cleaned up")
    told = expect_json(exchange)
    expect_equal(told.get("deletedCount"), 0, of="deletedCount, no key being long expired", exchange=exchange)
    expect(isinstance(told.get("message"), str), expected="a message", observed=repr(told), exchange=exchange)
    expect_equal(of_status(), ids, of="keys afterwards")
    expect_served(tenant.caller(kept[-1]).infer(), when="the key is good, and was before the cleanup")


@check("MAAS-KEY-106", needs=NEEDS)
def test_an_instance_revokes_the_keys_of_its_own_tenant_and_of_no_other(world: World) -> None:
    here, there = world.tenant(), world.common_tenant()
    customers = {tenant.name: tenant.customer() for tenant in (here, there)}
    for customer in customers.values():
        expect_served(customer.infer())
    for name in (there.name, "nobodys", "%20"):
        exchange = sent(here, "DELETE", f"/internal/v1/tenants/{name}/api-keys")
        expect_refused(exchange, 400, flat_error(), when=f"the instance is not that of the tenant {name!r}")
    for customer in customers.values():
        expect_served(customer.infer(), when="nobody's keys were revoked")
    exchange = sent(here, "DELETE", f"/internal/v1/tenants/{here.name}/api-keys")
    expect_status(exchange, 200, when="the instance revokes its own tenant's keys")
    told = expect_json(exchange)
    expect_equal(told.get("revokedCount"), 1, of="revokedCount", exchange=exchange)
    expect(isinstance(told.get("message"), str), expected="a message", observed=repr(told), exchange=exchange)
    refused = world.once_refused(customers[here.name].infer)
    expect_refused(refused, 403, when="the key was revoked with all of its tenant")
    expect_served(customers[there.name].infer(), when="only another tenant's keys were revoked")
