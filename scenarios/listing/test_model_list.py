"""Which models a caller is shown."""

import time
from datetime import datetime
from functools import partial
from typing import Any

from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.world.caller import Caller
from harness.world.expectations import (
    challenge,
    error_object,
    expect,
    expect_equal,
    expect_json,
    expect_refused,
    expect_served,
    expect_status,
    model_ids,
)
from harness.world.inference import Ask
from harness.world.patience import until
from harness.world.sandwich import Sandwich
from harness.world.world import World

KNOWN = Bound("phases reach the management API's list", 10)
CLOCKS_APART_S = 60
"""How much the clocks of the platform and of this machine may differ."""


@check("MAAS-LIST-001", "MAAS-LIST-002")
def test_the_list_has_the_shape_of_the_openai_api(world: World) -> None:
    exchange = expect_served(world.anybody().models())
    document = expect_json(exchange)
    expect_equal(document.get("object"), "list", of="object", exchange=exchange, requirement="MAAS-LIST-001")
    expect(
        isinstance(document.get("data"), list) and bool(document["data"]),
        expected="data is an array that holds the subscriber's model",
        observed=repr(document.get("data")),
        exchange=exchange,
        requirement="MAAS-LIST-001",
    )
    for item in document["data"]:
        expect(
            isinstance(item, dict) and not wrong_members(item),
            expected="id and owned_by strings, object 'model', created a positive integer, ready true; "
            "url and kind strings, modelDetails an object, subscriptions an array where they are there",
            observed=f"wrong: {wrong_members(item) if isinstance(item, dict) else 'no object'}: {item!r}",
            exchange=exchange,
            requirement="MAAS-LIST-002",
        )


def wrong_members(item: dict[str, Any]) -> list[str]:
    """Members of an entry of the list that are missing or of another type than they should be."""
    needed = {"id": str, "object": str, "created": int, "owned_by": str, "ready": bool}
    optional = {"url": str, "kind": str, "modelDetails": dict, "subscriptions": list}
    wrong = [name for name, kind in needed.items() if type(item.get(name)) is not kind]
    wrong += [name for name, kind in optional.items() if name in item and type(item[name]) is not kind]
    if not wrong and not (item["id"] and item["object"] == "model" and item["created"] > 0 and item["ready"]):
        wrong.append("the value of id, object, created or ready")
    return wrong


@check("MAAS-LIST-010", needs={"kube"})
def test_a_key_lists_the_models_of_its_subscription_and_no_others(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who = world.identity()
    narrow = world.subscription(who, models=first)
    world.subscription(who, models=second)
    world.policy(who, models=(first, second))
    exchange = world.subscriber(who, narrow).models()
    expect_equal(model_ids(exchange), (first.model_id,), of="models of the bound subscription", exchange=exchange)


@check("MAAS-LIST-009", needs={"kube"})
def test_a_token_lists_the_union_of_its_subscriptions(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who = world.identity()
    one = world.subscription(who, models=first)
    world.subscription(who, models=second)
    world.policy(who, models=(first, second))
    exchange = world.person(who, one).models()
    missing = {first.model_id, second.model_id} - set(model_ids(exchange))
    expect_equal(missing, set(), of="models of owned subscriptions that the list lacks", exchange=exchange)


@check("MAAS-LIST-009", needs={"kube", "models"})
def test_a_token_lists_no_model_without_a_subscription_of_the_callers_that_serves(world: World) -> None:
    """A policy alone lists nothing, nor does a subscription of somebody else's, or one that is being deleted; a degraded one lists."""
    who, other = world.identity("apart"), world.group("others")
    foreign, served, leaving = world.model(0), world.model(1), world.new_model().handle
    everything = (foreign, served, leaving)
    world.subscription(other, models=everything)
    world.policy((who, other), models=everything)
    degraded = world.subscription(who, models=(served, world.ghost()), awaited=False)
    doomed = world.subscription(who, models=leaving)
    world.settle()
    world.await_phase(degraded.ref, "Degraded")
    person, mine = world.person(who, doomed), {one.model_id for one in everything}

    def shown() -> set[str]:
        return mine & set(model_ids(person.models()))

    found, _ = until(shown, lambda seen: seen == {served.model_id, leaving.model_id}, KNOWN)
    expect_equal(found, {served.model_id, leaving.model_id}, of="models of the caller's own subscriptions")
    world.withdraw(doomed.ref)
    found, _ = until(shown, lambda seen: seen == {served.model_id}, KNOWN)
    expect_equal(found, {served.model_id}, of="models once the subscription of another was deleted")


@check("MAAS-LIST-009", needs={"kube"})
def test_a_token_lists_no_model_that_the_policy_withholds(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who = world.identity("apart")
    subscription = world.subscription(who, models=(first, second))
    world.policy(who, models=first)
    person = world.person(who, subscription)
    withheld = world.entitlements(who).withheld
    exchange = expect_served(person.models())
    shown = set(model_ids(exchange))
    expect(first.model_id in shown, expected=f"{first.model_id} is listed", observed=repr(shown), exchange=exchange)
    expect_equal(shown & withheld, set(), of="listed models that no policy allows", exchange=exchange)


@check("MAAS-LIST-012", "MAAS-AUTH-033", needs={"kube"})
def test_a_token_with_the_subscription_header_lists_that_subscription(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who = world.identity()
    one, other = world.subscription(who, models=first), world.subscription(who, models=second)
    world.policy(who, models=(first, second))
    person = world.person(who)
    for subscription, model in ((one, first), (other, second)):
        exchange = person.models(headers={"X-MaaS-Subscription": subscription.name})
        expect_equal(model_ids(exchange), (model.model_id,), of=f"models of {subscription.name}", exchange=exchange)


@check("MAAS-AUTH-033", needs={"kube"})
def test_a_foreign_or_unknown_subscription_is_refused_alike(world: World, sandwich: Sandwich) -> None:
    alice, own, foreign = world.member(), world.common(), world.subscription(world.identity())
    person = world.person(alice)
    refusals = [
        sandwich(
            control=lambda: person.models(headers={"X-MaaS-Subscription": own.name}),
            denied=partial(person.models, headers={"X-MaaS-Subscription": name}),
            status=403,
            shape=error_object("permission_error"),
            when="a token names a subscription that is not its own",
        )
        for name in (foreign.name, "no-such-subscription")
    ]
    texts = {refusal.json()["error"]["message"] for refusal in refusals}
    expect_equal(len(texts), 1, of="different refusals for a foreign and an unknown subscription", exchange=refusals[1])


@check("MAAS-LIST-013", needs={"kube"})
def test_somebody_without_a_subscription_gets_an_empty_list_and_no_error(world: World) -> None:
    who = world.identity("nobody")
    person = world.person(who)
    exchange = expect_status(person.models(), 200, when="somebody without a subscription lists")
    document = expect_json(exchange)
    expect(
        isinstance(document.get("data"), list), expected="data is an array", observed=repr(document), exchange=exchange
    )
    open_to_all = world.entitlements(who).models
    expect_equal(set(model_ids(exchange)), open_to_all, of="models open to everybody", exchange=exchange)


@check("MAAS-LIST-004", "MAAS-GW-005", needs={"kube"})
def test_a_listed_id_can_be_sent_as_the_model(world: World) -> None:
    caller = world.anybody()
    exchange = caller.models()
    expect_equal(model_ids(exchange), (caller.model.model_id,), of="models of a key for one", exchange=exchange)
    for identifier in model_ids(exchange):
        named = caller.model.model_copy(update={"model_id": identifier})
        expect_status(
            caller.infer(Ask(style="body"), model=named), 200, when=f"the listed id {identifier} is sent as model"
        )


@check("MAAS-LIST-030", needs={"kube"})
def test_both_prefixes_list_the_same(world: World) -> None:
    caller = world.anybody()
    plain, prefixed = expect_served(caller.models()), expect_served(caller.gateway("GET", "/maas-api/v1/models"))
    expect_equal(prefixed.json(), plain.json(), of="the list under /maas-api/v1", exchange=prefixed)


@check("MAAS-LIST-017", needs={"kube"})
def test_query_parameters_do_not_change_the_list(world: World) -> None:
    customer = world.customer(models=(world.model(0), world.model(1)))
    plain, limited = expect_served(customer.models()), expect_served(customer.gateway("GET", "/v1/models?limit=1"))
    expect_equal(limited.json(), plain.json(), of="the list with ?limit=1", exchange=limited)


@check("MAAS-LIST-016", "MAAS-LIST-018", needs={"kube"})
def test_the_list_is_ordered_and_never_cached(world: World) -> None:
    customer = world.customer(models=(world.model(1), world.model(0)))
    exchange = expect_served(customer.models())
    keys = [(item["id"], item.get("url", ""), item["owned_by"]) for item in exchange.json()["data"]]
    expect_equal(keys, sorted(keys), of="order by id, url, owner", exchange=exchange, requirement="MAAS-LIST-016")
    again = model_ids(expect_served(customer.models()))
    expect_equal(
        again, model_ids(exchange), of="the same list once more", exchange=exchange, requirement="MAAS-LIST-016"
    )
    expect_equal(
        exchange.header("Cache-Control"), "no-store", of="Cache-Control", exchange=exchange, requirement="MAAS-LIST-018"
    )
    expect_equal(len(keys), 2, of="models of the customer", exchange=exchange, requirement="MAAS-LIST-016")
    told = exchange.header("X-Access-Checked-At") or ""
    expect(
        age_s(told) is not None,
        expected="X-Access-Checked-At with a moment of RFC 3339 in UTC, not more than a minute ago",
        observed=repr(told),
        exchange=exchange,
        requirement="MAAS-LIST-018",
    )


def age_s(moment: str) -> float | None:
    """Seconds since a moment written as RFC 3339 in UTC; None for anything else, or one that is not about now."""
    if not moment.endswith(("Z", "+00:00")):
        return None
    try:
        seconds = time.time() - datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return None
    return seconds if abs(seconds) < CLOCKS_APART_S else None


@check("MAAS-LIST-028", "MAAS-AUTH-001")
def test_nobody_lists_without_a_credential(world: World, stranger: Caller, sandwich: Sandwich) -> None:
    refusal = sandwich(
        control=world.anybody().models,
        denied=stranger.models,
        status=401,
        shape=challenge,
        when="models are listed without a credential",
    )
    media = (refusal.header("content-type") or "text/plain").lower()
    expect(
        not refusal.body or media.startswith("text/plain"),
        expected="an empty body, or plain text: it is the gateway that refuses, and not the API",
        observed=f"{media}: {refusal.body[:80]!r}",
        exchange=refusal,
        requirement="MAAS-LIST-028",
    )


@check("MAAS-LIST-018", "MAAS-LIST-019", needs={"kube"})
def test_a_key_whose_subscription_is_gone_lists_nothing(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who)
    world.policy(who)
    caller = world.subscriber(who, subscription)
    expect_served(caller.models())
    world.withdraw(subscription.ref)
    exchange = world.once_refused(caller.models)
    expect_refused(exchange, 403, error_object("permission_error"), when="the key's subscription was deleted")
    refused_headers = (exchange.header("Cache-Control"), exchange.header("X-Access-Checked-At"))
    expect_equal(
        refused_headers,
        ("no-store", None),
        of="Cache-Control and X-Access-Checked-At of a refusal",
        exchange=exchange,
        requirement="MAAS-LIST-018",
    )


@check("MAAS-LIST-019", needs={"kube"})
def test_a_key_whose_owner_lost_the_subscription_is_told_no_more_than_one_whose_subscription_is_gone(
    world: World,
) -> None:
    """Two keys of one user: one's subscription is deleted, the other's goes to somebody else."""
    who, heir = world.identity(), world.identity()
    gone, lost = world.subscription(who), world.subscription(who)
    world.policy((who, heir))
    callers = [world.subscriber(who, subscription) for subscription in (gone, lost)]
    for caller in callers:
        expect_served(caller.models())
    world.withdraw(gone.ref)
    world.estate.cluster.patch(lost.ref, {"spec": {"owner": {"users": [heir.username]}}})
    refusals = [world.once_refused(caller.models) for caller in callers]
    for refusal in refusals:
        expect_refused(
            refusal, 403, error_object("permission_error"), when="the key's subscription is no longer its owner's"
        )
    said = {refusal.json()["error"]["message"] for refusal in refusals}
    expect_equal(said, {"access denied to requested subscription"}, of="what both are told", exchange=refusals[1])


@check("MAAS-LIST-027", needs={"kube"})
def test_a_newly_granted_model_appears(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who = world.identity("late")
    one = world.subscription(who, models=first)
    world.policy(who, models=first)
    person = world.person(who, one)
    before = model_ids(person.models())
    world.subscription(who, models=second)
    world.policy(who, models=second)
    world.settle()
    exchange, seconds = world.until(person.models, lambda answer: second.model_id in model_ids(answer))
    world.wire.recorder.characteristic("grant_to_listed", seconds, "s")
    expect(
        second.model_id in model_ids(exchange),
        expected=f"{second.model_id} is listed once it is granted",
        observed=f"{model_ids(exchange)} (before: {before})",
        exchange=exchange,
    )


@check("MAAS-LIST-027", needs={"kube"})
def test_a_model_that_is_taken_away_disappears(world: World) -> None:
    first, second = world.model(0), world.model(1)
    who = world.identity("apart")
    subscription = world.subscription(who, models=(first, second))
    kept, lost = world.policy(who, models=first), world.policy(who, models=second)
    person = world.person(who, subscription)
    before = model_ids(person.models())
    expect(second.model_id in before, expected=f"{second.model_id} while {lost.ref} is there", observed=repr(before))
    world.withdraw(lost.ref)
    exchange, seconds = world.until(person.models, lambda answer: second.model_id not in model_ids(answer))
    world.wire.recorder.characteristic("revoked_to_unlisted", seconds, "s")
    shown = model_ids(exchange)
    expect(
        second.model_id not in shown and first.model_id in shown,
        expected=f"{first.model_id}, which {kept.ref} allows, and {second.model_id} no longer",
        observed=repr(shown),
        exchange=exchange,
    )
