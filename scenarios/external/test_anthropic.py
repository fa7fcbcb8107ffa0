"""Models that speak Anthropic's protocol: the header that their clients bring a key in, and figures without a total."""

from functools import partial
from typing import Final

import pytest

from harness.client.exchange import Exchange
from harness.client.measuring import Call, Headers
from harness.client.official import Via
from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.engine.failure import NotReady
from harness.platforms.platform import ModelHandle
from harness.world.books import Books
from harness.world.estate import WORLD_PREFIX
from harness.world.expectations import (
    expect,
    expect_equal,
    expect_refused,
    expect_served,
    expect_status,
    quota_refusal,
)
from harness.world.inference import Ask
from harness.world.outside import INFERENCE
from harness.world.providers import WRONG_KEY, Providers
from harness.world.world import World

MESSAGE: Final = Ask(endpoint="messages", style="body")
BODY: Final = Ask(style="body")
SIZES: Final = (1, 17, 64)
UNKNOWN: Final = Secret("sk-oai-unknown1_neverIssuedToAnybody00000000000")
FORMLESS: Final = Secret("a-key-of-somebody-else")
CREDENTIALS: Final = ("authorization", "x-api-key")


def with_key_header(world: World, key: Secret | None, model: ModelHandle, ask: Ask, headers: Headers = ()) -> Exchange:
    """One call as Anthropic's clients make it: the key in `x-api-key`, without a scheme."""
    platform = world.wire.platform
    return world.wire.send(
        Call(
            "POST",
            ask.url(platform.endpoints.gateway, model),
            json=ask.body(model),
            credential=key,
            credential_header="x-api-key",
            credential_scheme="",
            headers=headers,
            timeout_s=platform.parameters.request_timeout_s,
        )
    )


def lasting_speakers(world: World) -> list[str]:
    """Models that speak the protocol and belong to no check, whose own are gone in a moment: while they exist the header is taken."""
    return [
        item["metadata"]["name"]
        for item in world.estate.cluster.objects(INFERENCE, "ExternalModel")
        if not item["metadata"]["name"].startswith(WORLD_PREFIX)
        and any(reference.get("apiFormat") == "messages" for reference in item["spec"]["externalProviderRefs"])
    ]


@check("MAAS-AUTH-017", needs={"kube", "providers"})
def test_the_key_header_is_taken_while_a_model_speaks_messages(world: World, providers: Providers) -> None:
    if others := lasting_speakers(world):
        raise NotReady(f"{', '.join(others)} speak messages all the time, so x-api-key is rightly never refused here")
    speaks, plain = providers.model("messages"), world.model()
    customer = world.customer(models=(speaks.handle, plain))
    key = customer.credential.secret()
    by_header = partial(with_key_header, world, key, plain, BODY)
    taken, _ = world.until(by_header, lambda answer: answer.status == 200)
    expect_served(taken, when="x-api-key holds a valid key and a model speaks messages")
    world.withdraw(speaks.ref)
    refused, _ = world.until(by_header, lambda answer: answer.status == 401)
    expect_served(customer.infer(BODY, model=plain), when="the same key comes in Authorization")
    expect_status(refused, 401, when="no model speaks messages any more", requirement="MAAS-AUTH-017")


@check("MAAS-AUTH-018", needs={"kube", "providers"})
def test_a_wrong_key_header_is_refused_and_authorization_goes_before_it(world: World, providers: Providers) -> None:
    model = providers.model("messages")
    customer = world.customer(models=model.handle)
    key = customer.credential.secret()
    call = partial(with_key_header, world, model=model.handle, ask=MESSAGE)
    served, _ = world.until(partial(call, key), lambda answer: answer.status == 200)
    expect_served(served, when="x-api-key holds a valid key")
    for wrong, status in ((UNKNOWN, 403), (FORMLESS, 401)):
        expect_refused(call(wrong), status, when="x-api-key holds what, behind Bearer, has that answer")
    expect_served(
        customer.infer(MESSAGE, headers={"x-api-key": UNKNOWN.reveal()}),
        when="Authorization holds a valid key and x-api-key none",
    )
    overruled = call(key, headers={"Authorization": f"Bearer {UNKNOWN.reveal()}"})
    expect_refused(overruled, 403, when="Authorization holds an unknown key, whatever x-api-key holds")
    expect_served(call(key), when="x-api-key alone holds a valid key again")


@check("MAAS-AUTH-037", needs={"kube", "providers"})
def test_the_provider_gets_its_key_in_the_header_of_its_protocol(world: World, providers: Providers) -> None:
    model = providers.model("messages")
    customer = world.customer(models=model.handle)
    arrival = providers.arrival(expect_served(customer.infer(MESSAGE, headers={"x-api-key": UNKNOWN.reveal()})))
    expect_equal(
        {name: value for name, value in arrival.headers.items() if name in CREDENTIALS},
        {"x-api-key": model.stand_in.shown(model.stand_in.key)},
        of="headers at the provider that hold a credential",
    )
    expect_equal(
        (arrival.path, arrival.model, bool(arrival.headers.get("anthropic-version"))),
        ("/v1/messages", model.stand_in.target, True),
        of="path, model and a stated version of the protocol at the provider",
    )


@pytest.mark.parametrize(("via", "stream"), [("http", False), ("http", True), ("anthropic", True)])
@check("MAAS-TOK-006", needs={"kube", "providers", "metrics"})
def test_messages_are_charged_to_the_token(
    world: World, providers: Providers, books: Books, via: Via, stream: bool
) -> None:
    customer = world.customer(models=providers.model("messages").handle).over(via)
    own = providers.books(books)
    for size in SIZES:
        expect_served(customer.infer(Ask(endpoint="messages", style="body", max_tokens=size, stream=stream)))
    own.expect_charged(customer.account())


@check("MAAS-TOK-006", needs={"kube", "providers"})
def test_messages_spend_a_budget(world: World, providers: Providers) -> None:
    customer = world.customer(models=providers.model("messages").handle, limit=1)
    expect_served(customer.infer(MESSAGE), when="nothing is spent yet")
    refusal, _ = world.until(partial(customer.infer, MESSAGE), lambda answer: answer.status == 429)
    expect_status(refusal, 429, when="a message has cost more than the budget")
    expect_equal(quota_refusal(refusal), None, of="what is wrong with the refusal", exchange=refusal)


@check("MAAS-TOK-001", needs={"kube", "providers"})
def test_a_provider_of_messages_that_refuses_the_platforms_key_is_an_error_and_free(
    world: World, providers: Providers
) -> None:
    model = providers.model("messages", given=WRONG_KEY)
    customer = world.customer(models=model.handle, limit=1)
    first, again = customer.infer(MESSAGE), customer.infer(MESSAGE)
    expect_equal(providers.arrival(first).status, 401, of="the provider's own answer")
    for exchange in (first, again):
        expect(
            exchange.status is not None and exchange.status >= 500,
            expected="an upstream's error, and the budget of one token is whole",
            observed=f"{exchange.status}",
            exchange=exchange,
        )
