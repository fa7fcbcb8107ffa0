"""What a provider outside gets to see, and what its answers cost."""

from typing import Final

import pytest

from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.platforms.platform import Platform
from harness.world.books import Books
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.inference import Ask
from harness.world.patience import until
from harness.world.providers import WRONG_KEY, Providers
from harness.world.quota import spend
from harness.world.world import World

BODY: Final = Ask(style="body")
SIZES: Final = (1, 17, 64)
PERSONAL: Final = (
    "authorization",
    "x-api-key",
    "x-maas-",
    "cookie",
    "x-forwarded-for",
    "forwarded",
    "x-gateway-model-name",
)
SESSION: Final = {"Cookie": "session=of-the-caller", "X-MaaS-Subscription": "of-the-caller"}
NEXT_KEY: Final = Secret("provider-takes-this-key-next")


@check("MAAS-AUTH-037", "MAAS-SETUP-010", needs={"kube", "providers"})
def test_the_provider_gets_its_own_key_and_model_name_and_nothing_of_the_callers(
    world: World, providers: Providers
) -> None:
    model = providers.model()
    customer = world.customer(models=model.handle)
    arrival = providers.arrival(expect_served(customer.infer(BODY, headers=SESSION)))
    expect_equal(
        {name: value for name, value in arrival.headers.items() if name.startswith(PERSONAL)},
        {"authorization": model.stand_in.shown(model.stand_in.key)},
        of="headers at the provider that speak of a person or hold a credential",
    )
    expect_equal(arrival.headers.get("host"), model.stand_in.host, of="the host that the provider is called by")
    expect_equal(
        arrival.model,
        model.stand_in.target,
        of="the model that the provider is asked for",
        requirement="MAAS-SETUP-010",
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@check("MAAS-TOK-001", "MAAS-TOK-008", needs={"kube", "providers", "metrics"})
def test_a_providers_answers_are_charged_to_the_token(
    world: World, providers: Providers, books: Books, stream: bool
) -> None:
    customer = world.customer(models=providers.model().handle)
    own = providers.books(books)
    for size in SIZES:
        expect_served(customer.infer(Ask(style="body", max_tokens=size, stream=stream, include_usage=stream or None)))
    own.expect_balanced([customer.account()])


@check("MAAS-TOK-002", needs={"kube", "providers", "metrics"})
def test_a_providers_stream_that_was_not_asked_for_usage_is_charged_all_the_same(
    world: World, providers: Providers, books: Books
) -> None:
    customer = world.customer(models=providers.model().handle)
    own = providers.books(books)
    for size in SIZES:
        expect_served(customer.infer(Ask(style="body", max_tokens=size, stream=True)))
    own.expect_charged(customer.account())


@pytest.mark.parametrize("legacy", [False, True], ids=["inference", "legacy"])
@check("MAAS-RATE-001", needs={"kube", "providers"})
def test_a_budget_for_a_model_outside_is_spent_like_any_other(world: World, providers: Providers, legacy: bool) -> None:
    customer = world.customer(models=providers.model(legacy=legacy).handle, limit=60)
    ask = Ask(style="path" if legacy else "body")
    spend(lambda: customer.infer(ask), limit=60)


@check("MAAS-TOK-001", needs={"kube", "providers"})
def test_a_provider_that_refuses_the_platforms_key_is_an_error_and_free(world: World, providers: Providers) -> None:
    model = providers.model(given=WRONG_KEY)
    customer = world.customer(models=model.handle, limit=1)
    first, again = customer.infer(BODY), customer.infer(BODY)
    arrival = providers.arrival(first)
    expect_equal(
        (arrival.status, arrival.headers.get("authorization")),
        (401, model.stand_in.shown(WRONG_KEY)),
        of="the provider's own answer, and the key that it got",
    )
    for exchange in (first, again):
        expect(
            exchange.status is not None and exchange.status >= 500,
            expected="an upstream's error, because nothing is wrong with the caller's key and nothing was spent",
            observed=f"{exchange.status}",
            exchange=exchange,
        )


@check("MAAS-SETUP-010", needs={"kube", "providers"})
def test_another_key_of_the_provider_takes_effect_without_a_restart(
    world: World, providers: Providers, platform: Platform
) -> None:
    model = providers.model(takes=(NEXT_KEY,))
    customer = world.customer(models=model.handle)
    before = providers.arrival(expect_served(customer.infer(BODY)))
    expect_equal(before.headers.get("authorization"), model.stand_in.shown(model.stand_in.key), of="the key at first")
    providers.give(model, NEXT_KEY)
    wanted = model.stand_in.shown(NEXT_KEY)
    seen, _ = until(
        lambda: providers.arrival(expect_served(customer.infer(BODY))).headers.get("authorization"),
        lambda shown: shown == wanted,
        Bound("revocation_bound_s", platform.parameters.revocation_bound_s),
    )
    expect_equal(seen, wanted, of="the key after the Secret got another one")
