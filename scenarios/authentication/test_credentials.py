"""Which credentials the gateway takes for whom, and with which code it turns the others away."""

import base64
import json
from dataclasses import replace
from functools import partial

import pytest

from harness.client.official import Via
from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.platforms.platform import Platform
from harness.world.caller import Caller
from harness.world.clients import EACH_CLIENT
from harness.world.expectations import (
    challenge,
    expect_equal,
    expect_refused,
    expect_served,
    expect_status,
    flat_error,
    model_ids,
)
from harness.world.sandwich import Sandwich
from harness.world.world import Token, World

# Outside of the checks that send them: a failing check shows its source, and reports are searched for credentials.
OF_NO_KIND = {
    "garbage": Secret("garbage"),
    "unsigned token": Secret("eyJhbGciOiJub25lIn0.e30."),
    "another prefix": Secret("sk-proj-abc"),
}
NEVER_ISSUED = {
    "well-formed": Secret("sk-oai-0123456789abcdef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"),
    "prefix alone": Secret("sk-oai-"),
    "too short": Secret("sk-oai-x"),
}


@EACH_CLIENT
@check("MAAS-AUTH-001")
def test_an_inference_call_without_a_credential_is_unauthorized(
    world: World, stranger: Caller, sandwich: Sandwich, via: Via
) -> None:
    caller = world.anybody().over(via)
    sandwich(
        control=caller.infer,
        denied=partial(stranger.over(via).infer, model=caller.model),
        status=401,
        shape=challenge,
        when="there is no credential",
    )


@check("MAAS-AUTH-001", needs={"kube"})
def test_key_management_without_a_credential_is_unauthorized(
    world: World, stranger: Caller, sandwich: Sandwich
) -> None:
    who = world.identity()
    person = world.person(who)
    sandwich(
        control=partial(person.manage, "GET", "/v1/api-keys/config"),
        denied=partial(stranger.manage, "POST", "/v1/api-keys", json={"name": "nobody's"}),
        status=401,
        shape=challenge,
        when="a key is created without a credential",
    )


@EACH_CLIENT
@pytest.mark.parametrize("kind", sorted(OF_NO_KIND))
@check("MAAS-AUTH-003")
def test_a_bearer_of_no_known_kind_is_unauthorized(world: World, sandwich: Sandwich, kind: str, via: Via) -> None:
    caller = world.anybody().over(via)
    sandwich(
        control=caller.infer,
        denied=world.caller(OF_NO_KIND[kind], model=caller.model).over(via).infer,
        status=401,
        shape=challenge,
        when="the bearer is neither an API key nor a token",
    )


@EACH_CLIENT
@pytest.mark.parametrize("kind", sorted(NEVER_ISSUED))
@check("MAAS-AUTH-004")
def test_a_key_that_nobody_issued_is_forbidden(world: World, sandwich: Sandwich, kind: str, via: Via) -> None:
    caller = world.anybody().over(via)
    sandwich(
        control=caller.infer,
        denied=world.caller(NEVER_ISSUED[kind], model=caller.model).over(via).infer,
        status=403,
        when="the key was never issued",
    )


@check("MAAS-AUTH-002")
def test_an_empty_bearer_is_unauthorized(world: World, stranger: Caller, sandwich: Sandwich) -> None:
    caller = world.anybody()
    sandwich(
        control=caller.infer,
        denied=partial(stranger.infer, model=caller.model, headers={"Authorization": "Bearer"}),
        status=401,
        shape=challenge,
        when="the bearer is empty",
    )


@check("MAAS-AUTH-011", needs={"kube"})
def test_a_tampered_token_is_unauthorized(world: World, sandwich: Sandwich) -> None:
    who = world.identity()
    head, payload, signature = world.token(who).reveal().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["sub"] = "system:admin"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    sandwich(
        control=world.person(who).models,
        denied=world.caller(Secret(f"{head}.{forged}.{signature}")).models,
        status=401,
        shape=challenge,
        when="the token's claims were changed after it was signed",
    )


@check("MAAS-AUTH-007", needs={"kube"})
def test_a_service_account_token_is_accepted(world: World) -> None:
    person = world.person(world.identity())
    expect_status(person.models(), 200, when="a ServiceAccount's token lists models")
    for method, path in (("GET", "/v1/api-keys/config"), ("POST", "/v1/api-keys/search")):
        exchange = person.manage(method, path, json={} if method == "POST" else None)
        expect_status(exchange, 200, when=f"a ServiceAccount's token calls {method} {path}")


@check("MAAS-AUTH-008", needs={"kube"})
def test_a_token_for_another_audience_is_unauthorized(world: World, sandwich: Sandwich) -> None:
    who = world.identity()
    sandwich(
        control=world.person(who).models,
        denied=world.caller(Token(world, who, audiences=("https://elsewhere.example",))).models,
        status=401,
        shape=challenge,
        when="the token was issued for another audience",
    )


@check("MAAS-AUTH-005", "MAAS-REV-001", "MAAS-REV-008", needs={"kube"})
def test_a_revoked_key_is_refused_and_a_new_one_is_not(world: World, sandwich: Sandwich) -> None:
    who, subscription = world.member(), world.common()
    key = world.key(who, subscription)
    holder = world.caller(key, identity=who, subscription=subscription)
    person, survivor = world.person(who), world.subscriber(who, subscription)
    expect_served(holder.infer())
    expect_status(person.manage("DELETE", f"/v1/api-keys/{key.id}"), 200, when="the owner revokes a key")
    at_once = survivor.infer()  # minted by this call
    expect_status(at_once, 200, when="a new key is minted as soon as another is revoked", requirement="MAAS-REV-008")
    world.once_refused(holder.infer, characteristic="revocation_enforced", requirement="MAAS-REV-001")
    sandwich(control=survivor.infer, denied=holder.infer, status=403, when="the key was revoked")


@check("MAAS-REV-003", needs={"kube"})
def test_a_revoked_key_manages_nothing(world: World) -> None:
    who, subscription = world.member(), world.common()
    key = world.key(who, subscription)
    holder, person = world.caller(key), world.person(who)
    expect_served(holder.models())
    expect_status(person.manage("DELETE", f"/v1/api-keys/{key.id}"), 200, when="the owner revokes a key")
    expect_refused(world.once_refused(holder.models), 403, when="models are listed with a revoked key")


@check("MAAS-KEY-108", "MAAS-AUTH-005", needs={"kube"})
def test_an_expired_key_is_refused(world: World, sandwich: Sandwich) -> None:
    who, subscription = world.member(), world.common()
    lasting = world.subscriber(who, subscription)
    brief = world.caller(world.key(who, subscription, expires_in="1s"), identity=who, subscription=subscription)
    expect_served(brief.infer(), when="the key has not expired yet")
    world.once_refused(brief.infer)
    sandwich(control=lasting.infer, denied=brief.infer, status=403, when="the key has expired")


@pytest.mark.parametrize("scheme", ["bearer ", "Bearer  "], ids=["lower-case", "two-spaces"])
@check("MAAS-AUTH-006", needs={"kube"})
def test_the_bearer_prefix_is_matched_exactly(world: World, sandwich: Sandwich, scheme: str) -> None:
    caller = world.anybody()
    sandwich(
        control=caller.infer,
        denied=replace(caller, scheme=scheme).infer,
        status=401,
        shape=challenge,
        when=f"the key follows {scheme!r}",
    )


@check("MAAS-AUTH-061", needs={"kube"})
def test_somebody_without_a_subscription_still_reaches_key_management(world: World) -> None:
    who = world.identity("apart")
    person = world.person(who)
    for path in ("/v1/models", "/v1/api-keys/config"):
        expect_status(person.manage("GET", path), 200, when=f"GET {path} is called without any subscription")
    expect_status(person.manage("POST", "/v1/api-keys/search", json={}), 200, when="somebody without a key searches")
    made = person.manage("POST", "/v1/api-keys", json={"name": "mine"})
    if world.entitlements(who).models:
        expect_status(made, 201, when="a subscription is open to everybody")
    else:
        expect_refused(
            made, 400, flat_error(code="invalid_subscription"), when="there is no subscription to bind a key to"
        )


@check("MAAS-AUTH-030", needs={"kube"})
def test_health_alone_takes_no_notice_of_identity_headers(stranger: Caller) -> None:
    exchange = stranger.manage("GET", "/health", headers={"X-MaaS-Username": "admin", "X-MaaS-Group": '["admins"]'})
    expect_status(exchange, 200, when="health is asked with identity headers")


@pytest.mark.parametrize("header", ["X-MaaS-Username", "X-MaaS-Group"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("POST", "/v1/api-keys")])
@check("MAAS-AUTH-030", needs={"kube"})
def test_identity_headers_are_refused_wherever_keys_and_models_are_shown(
    world: World, sandwich: Sandwich, method: str, path: str, header: str
) -> None:
    """The refusal holds no key, and nothing was made."""
    who, subscription = world.member(), world.common()
    key, person = world.key(who, subscription), world.person(who)
    body = {"name": "forged", "subscription": subscription.name} if method == "POST" else None
    assert key.id
    sandwich(
        control=person.models,
        denied=partial(person.manage, method, path, json=body, headers={header: "admin"}),
        status=403,
        when=f"{method} {path} carries {header}",
    )
    found = expect_status(person.manage("POST", "/v1/api-keys/search", json={}), 200, when="keys are searched")
    expect_equal([item["id"] for item in found.json()["data"]], [key.id], of="keys afterwards", exchange=found)


@pytest.mark.parametrize("order", ["other-other", "own-other", "other-own", "joined"])
@check("MAAS-AUTH-032", needs={"kube"})
def test_a_subscription_header_said_twice_does_not_change_what_a_key_is_bound_to(world: World, order: str) -> None:
    first, second = world.model(0), world.model(1)
    who, bound = world.member(), world.common()
    other = world.subscription(who, models=second)
    world.policy(who, models=second)
    caller = world.subscriber(who, bound)
    names = {"own": bound.name, "other": other.name, "joined": f"{bound.name},{other.name}"}
    twice = [("X-MaaS-Subscription", names[word]) for word in order.split("-")]
    listed = caller.models(headers=twice)
    expect_equal(model_ids(listed), (first.model_id,), of="models of the bound subscription", exchange=listed)
    expect_status(caller.infer(headers=twice), 200, when="the bound subscription serves")
    expect_status(caller.infer(model=second, headers=twice), 403, when="only the header's subscription has the model")


@check("MAAS-API-001")
def test_health_is_open(stranger: Caller, platform: Platform) -> None:
    exchange = expect_status(stranger.manage("GET", "/health"), 200, when="health is asked without a credential")
    assert exchange.json() == {"status": "healthy"}


@check("MAAS-API-002", needs={"kube"})
def test_the_open_health_path_is_exact(world: World, stranger: Caller, sandwich: Sandwich) -> None:
    for denied in (
        partial(stranger.manage, "GET", "/health?x=1"),
        partial(stranger.manage, "POST", "/health"),
        partial(stranger.manage, "GET", "/healthz"),
    ):
        sandwich(
            control=partial(stranger.manage, "GET", "/health"),
            denied=denied,
            status=401,
            shape=challenge,
            when="the path or the method only resembles GET /maas-api/health",
        )
