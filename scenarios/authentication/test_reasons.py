"""Why the gateway turned somebody away, for the person and for the program: a sentence, and a word of a fixed vocabulary."""

from harness.client.exchange import Exchange
from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.world.caller import Caller
from harness.world.expectations import any_refusal, expect, expect_equal, expect_served, expect_status
from harness.world.world import World

REASON = "x-ext-auth-reason"
NEVER_ISSUED = Secret("sk-oai-EEEEEEEEEEEEEEEE_4444444444444444444444444444444444444444444")


def expect_reason(exchange: Exchange, code: str, *words: str, when: str) -> None:
    """403 with that code in the header, and a text/plain sentence that holds these words and gives nothing away."""
    expect_status(exchange, 403, when=when)
    expect(
        code in exchange.header_values(REASON),
        expected=f"{REASON}: {code} when {when}",
        observed=repr(exchange.header_values(REASON)),
        exchange=exchange,
    )
    text = exchange.text.strip()
    missing = [word for word in words if word not in text]
    expect(
        (exchange.header("content-type") or "").startswith("text/plain") and bool(text) and not missing,
        expected=f"a sentence as text/plain{' that says ' + ', '.join(words) if words else ''}",
        observed=f"{exchange.header('content-type')}: {text[:120]!r}",
        exchange=exchange,
    )
    told = any_refusal(exchange)
    expect(told is None, expected="a refusal that gives nothing away", observed=str(told), exchange=exchange)


@check("MAAS-AUTH-060", "MAAS-AUTH-058", needs={"kube"})
def test_every_refusal_names_its_reason(world: World) -> None:
    alice, one, second = world.member(), world.common(), world.model(1)
    other, foreign = world.subscription(alice), world.subscription(world.identity())
    world.policy(alice, models=second)
    person = world.person(alice)
    choose = {"X-MaaS-Subscription": one.name}
    expect_served(person.infer(headers=choose))
    assert other.name != one.name
    expect_reason(
        person.infer(),
        "multiple_subscriptions",
        "X-MaaS-Subscription",
        when="two subscriptions offer the model and none is chosen",
    )
    expect_reason(
        person.infer(model=second, headers=choose), "model_not_in_subscription", when="the model is in no offer"
    )
    expect_reason(
        person.infer(headers={"X-MaaS-Subscription": "no-such-subscription"}),
        "not_found",
        when="the subscription is nobody's",
    )
    expect_reason(
        person.infer(headers={"X-MaaS-Subscription": foreign.name}),
        "access_denied",
        when="the subscription is another's",
    )
    expect_served(person.infer(headers=choose), when="after all refusals the control is made again")


@check("MAAS-AUTH-060", needs={"kube"})
def test_a_key_that_is_none_is_refused_without_a_word_too_many(world: World) -> None:
    caller = world.anybody()
    expect_served(caller.infer())
    exchange = world.caller(NEVER_ISSUED, model=caller.model).infer()
    expect_reason(exchange, "unauthorized", when="the key was never issued")
    expect_equal(exchange.text.strip(), "Access denied", of="the body", exchange=exchange)


@check("MAAS-AUTH-001", "MAAS-AUTH-060", needs={"kube"})
def test_without_a_credential_the_reason_is_that_there_is_none(world: World, stranger: Caller) -> None:
    caller = world.anybody()
    expect_served(caller.infer())
    for exchange in (
        stranger.infer(model=caller.model),
        stranger.models(),
        stranger.manage("POST", "/v1/api-keys", json={}),
    ):
        expect_status(exchange, 401, when="there is no credential", requirement="MAAS-AUTH-001")
        expect(
            "Authentication required" in exchange.header_values(REASON),
            expected=f"{REASON}: Authentication required",
            observed=repr(exchange.header_values(REASON)),
            exchange=exchange,
            requirement="MAAS-AUTH-060",
        )
