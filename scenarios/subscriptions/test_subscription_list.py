"""Which subscriptions a caller is shown, and what of them."""

from functools import partial

import pytest

from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.world.caller import Caller
from harness.world.expectations import (
    challenge,
    expect,
    expect_equal,
    expect_json,
    expect_served,
    expect_status,
    model_ids,
)
from harness.world.governance import Rate
from harness.world.held_phase import hold_phase
from harness.world.patience import until
from harness.world.sandwich import Sandwich
from harness.world.world import World

KNOWN = Bound("phases reach the management API's list", 10)


def own(world: World, exchange_json: object) -> list[dict[str, object]]:
    """The subscriptions of this check among those listed."""
    assert isinstance(exchange_json, list)
    return [item for item in exchange_json if str(item.get("subscription_id_header", "")).startswith(world.name)]


def listed(world: World, caller: Caller, path: str = "/v1/subscriptions") -> list[dict[str, object]]:
    """What GET answers of this check's subscriptions."""
    return own(world, expect_json(expect_served(caller.manage("GET", path))))


@check("MAAS-SUB-001", "MAAS-SUB-002", needs={"kube"})
def test_a_subscription_is_listed_with_its_models_and_limits(world: World) -> None:
    who = world.identity()
    metadata = {"organizationId": "org-7", "costCenter": "cc-42"}
    subscription = world.subscription(who, rates=(Rate(12, "3m"),), priority=-5, token_metadata=metadata)
    world.policy(who)
    person = world.person(who)
    items = listed(world, person)
    expect_equal(len(items), 1, of="subscriptions of the caller", requirement="MAAS-SUB-001")
    item = items[0]
    shown = {key: item.get(key) for key in ("subscription_id_header", "priority", "organization_id", "cost_center")}
    wanted = {
        "subscription_id_header": subscription.name,
        "priority": 0,
        "organization_id": "org-7",
        "cost_center": "cc-42",
    }
    expect_equal(shown, wanted, of="the subscription", requirement="MAAS-SUB-001")
    refs = item.get("model_refs")
    assert isinstance(refs, list)
    expect_equal([ref.get("name") for ref in refs], [world.model().name], of="model_refs", requirement="MAAS-SUB-002")
    expect_equal(refs[0].get("source"), "internal", of="source", requirement="MAAS-SUB-002")
    expect_equal(
        refs[0].get("token_rate_limits"),
        [{"limit": 12, "window": "3m"}],
        of="token_rate_limits",
        requirement="MAAS-SUB-002",
    )
    expect("namespace" not in refs[0], expected="no namespace", observed=repr(refs[0]), requirement="MAAS-SUB-002")


@check("MAAS-SUB-003", needs={"kube"})
def test_only_what_the_caller_owns_and_may_enter_is_listed(world: World) -> None:
    alice, bob = world.identity(), world.identity()
    first, second = world.model(0), world.model(1)
    mixed = world.subscription(alice, models=(first, second))
    world.subscription(alice, models=second)
    world.subscription(bob)
    world.policy((alice, bob), models=first)
    items = listed(world, world.person(alice))
    expect_equal(
        [item["subscription_id_header"] for item in items], [mixed.name], of="subscriptions with an allowed model"
    )
    refs = items[0]["model_refs"]
    assert isinstance(refs, list)
    expect_equal([ref["name"] for ref in refs], [first.name], of="models of it that the caller may enter")


@check("MAAS-SUB-003", needs={"kube"})
def test_active_and_degraded_subscriptions_are_listed_and_deleted_ones_are_not(world: World) -> None:
    who = world.identity()
    active = world.subscription(who)
    world.policy(who)
    degraded = world.degraded(who)
    person = world.person(who, active)

    def names() -> list[str]:
        return sorted(str(item["subscription_id_header"]) for item in listed(world, person))

    wanted = sorted([active.name, degraded.name])
    found, _ = until(names, lambda seen: seen == wanted, KNOWN)
    expect_equal(found, wanted, of="subscriptions in the phases Active and Degraded")
    world.withdraw(active.ref)
    found, _ = until(names, lambda seen: seen == [degraded.name], KNOWN)
    expect_equal(found, [degraded.name], of="subscriptions once one was deleted")


@pytest.mark.parametrize("phase", ["Pending", "Failed"])
@check("MAAS-SUB-003", "MAAS-LIST-009", needs={"kube", "models", "disposable"})
def test_a_subscription_that_does_not_serve_is_not_listed_and_lists_no_model(world: World, phase: str) -> None:
    """To a token, which may choose: all else that the caller is granted goes on being listed."""
    who, first, second = world.identity("apart"), world.model(), world.new_model(governed=False).handle
    serving, held = world.subscription(who, models=first), world.subscription(who, models=second)
    world.policy(who, models=(first, second))
    person = world.person(who, serving)
    both, granted = {serving.name, held.name}, {first.model_id, second.model_id}

    def shown() -> tuple[set[str], set[str]]:
        names = {str(item["subscription_id_header"]) for item in listed(world, person)}
        return names & both, set(model_ids(person.models())) & granted

    found, _ = until(shown, lambda seen: seen == (both, granted), KNOWN)
    expect_equal(found, (both, granted), of="subscriptions and models while both serve")
    hold_phase(world, held.ref, phase)
    wanted = ({serving.name}, {first.model_id})
    found, _ = until(shown, lambda seen: seen == wanted, KNOWN)
    expect_equal(found, wanted, of=f"subscriptions and models while one subscription is {phase}")


@check("MAAS-SUB-004", needs={"kube"})
def test_subscriptions_are_sorted_by_name(world: World) -> None:
    who = world.identity()
    made = [world.subscription(who) for _ in range(4)]
    world.policy(who)
    exchange = expect_served(world.person(who).manage("GET", "/v1/subscriptions"))
    names = [item["subscription_id_header"] for item in exchange.json()]
    missing = {subscription.name for subscription in made} - set(names)
    expect_equal(missing, set(), of="subscriptions that the list lacks", exchange=exchange)
    expect_equal(names, sorted(names), of="order", exchange=exchange)


@check("MAAS-SUB-006", needs={"kube"})
def test_nobody_lists_subscriptions_without_a_credential(world: World, stranger: Caller, sandwich: Sandwich) -> None:
    person = world.person(world.identity())
    sandwich(
        control=partial(person.manage, "GET", "/v1/subscriptions"),
        denied=partial(stranger.manage, "GET", "/v1/subscriptions"),
        status=401,
        shape=challenge,
        when="subscriptions are listed without a credential",
    )


@check("MAAS-SUB-010", needs={"kube"})
def test_the_subscriptions_of_a_model(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who, other = world.identity(), world.identity()
    one = world.subscription(who, models=first)
    world.subscription(who, models=second)
    world.subscription(other, models=first)
    world.policy((who, other), models=first)
    world.policy(other, models=second)
    person = world.person(who)
    items = listed(world, person, f"/v1/model/{first.name}/subscriptions")
    expect_equal([item["subscription_id_header"] for item in items], [one.name], of=f"subscriptions of {first.name}")
    withheld = listed(world, person, f"/v1/model/{second.name}/subscriptions")
    expect_equal(withheld, [], of=f"subscriptions of {second.name}, which no policy allows the caller")
    exchange = expect_served(person.manage("GET", "/v1/model/no-such-model/subscriptions"))
    expect_equal(exchange.json(), [], of="subscriptions of an unknown model", exchange=exchange)


@check("MAAS-SUB-012", needs={"kube"})
def test_the_subscriptions_of_a_model_are_below_maas_api_alone(world: World) -> None:
    person = world.person(world.identity())
    expect_served(person.manage("GET", f"/v1/model/{world.model().name}/subscriptions"))
    exchange = person.gateway("GET", f"/v1/model/{world.model().name}/subscriptions")
    expect(
        exchange.status in (403, 404, 429),
        expected="404, or a refusal by default",
        observed=str(exchange.status),
        exchange=exchange,
    )


@pytest.mark.parametrize("path", ["/v1/models", "/v1/subscriptions"])
@check("MAAS-API-019", needs={"kube"})
def test_answers_about_rights_are_not_stored(world: World, path: str) -> None:
    exchange = expect_status(world.person(world.identity()).manage("GET", path), 200, when=f"GET {path}")
    expect_equal(exchange.header("Cache-Control"), "no-store", of="Cache-Control", exchange=exchange)


@check("MAAS-AUTH-060", needs={"kube"})
def test_a_refusal_at_inference_says_why(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who)
    world.policy(who, models=(world.model(0), world.model(1)))
    caller = world.subscriber(who, subscription)
    expect_served(caller.infer())
    exchange = expect_status(caller.infer(model=world.model(1)), 403, when="the model is outside of the subscription")
    reasons = exchange.header_values("x-ext-auth-reason")
    expect(
        "model_not_in_subscription" in reasons,
        expected="x-ext-auth-reason: model_not_in_subscription",
        observed=repr(reasons),
        exchange=exchange,
    )
    expect(
        (exchange.header("content-type") or "").startswith("text/plain") and bool(exchange.body.strip()),
        expected="a sentence as text/plain",
        observed=f"{exchange.header('content-type')}: {exchange.body[:80]!r}",
        exchange=exchange,
    )


@check("MAAS-CRD-048", needs={"kube"})
def test_what_is_said_of_tokens_is_listed(world: World) -> None:
    who = world.identity("apart")
    told = {"organizationId": "org-7", "costCenter": "cc-9"}
    subscription = world.subscription(who, token_metadata=told)
    world.policy(who)
    exchange = expect_served(world.person(who, subscription).gateway("GET", "/v1/subscriptions"))
    mine = next(one for one in exchange.json() if one["subscription_id_header"] == subscription.name)
    shown = {"organizationId": mine.get("organization_id"), "costCenter": mine.get("cost_center")}
    expect_equal(shown, told, of="what the subscription says of its tokens", exchange=exchange)
