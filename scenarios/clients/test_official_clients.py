"""What applications meet that are written against the official clients of OpenAI and Anthropic, with retries switched off."""

from dataclasses import replace
from functools import partial
from typing import Final

import pytest

from harness.client.completion import text_of
from harness.client.official import Via
from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.platforms.platform import Need
from harness.world.answer import expect_whole, tokens_of
from harness.world.books import Books
from harness.world.expectations import expect, expect_equal, expect_refused, expect_served, quota_refusal
from harness.world.inference import Ask, Endpoint
from harness.world.lent import spendable
from harness.world.sandwich import Sandwich, arrivals
from harness.world.twin import Variant
from harness.world.world import World

MESSAGES: tuple[Need, ...] = ("kube", "backends")
"""Whether a model speaks this protocol is its server's business: those that keep a journal do."""
NOBODYS: Final = Secret("sk-oai-CCCCCCCCCCCCCCCC_2222222222222222222222222222222222222222222")
GARBAGE: Final = Secret("garbage")
ENDPOINT_OF: Final[dict[Via, Endpoint]] = {"openai": "chat", "anthropic": "messages"}
EMBEDS: Final = Variant(arguments=("--runner", "pooling"))
EACH: Final = pytest.mark.parametrize("via", ["openai", "anthropic"])


def shortest(via: Via, *, stream: bool = False) -> Ask:
    """A small request of the protocol that the client speaks."""
    return Ask(endpoint=ENDPOINT_OF[via], max_tokens=4, stream=stream)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("endpoint", ["chat", "completions", "responses", "messages"])
@check("MAAS-GW-004", "MAAS-TOK-008", needs=("kube", "backends"))
def test_an_official_client_reads_every_protocol(
    world: World, books: Books, endpoint: Endpoint, *, stream: bool
) -> None:
    """The same text and the same tokens as over plain HTTP, and those that the model server wrote down."""
    caller = world.anybody()
    ask = Ask(endpoint=endpoint, max_tokens=24, stream=stream, prompt="One question, two clients.")
    plain = expect_whole(caller.infer(ask), ask)
    via: Via = "anthropic" if endpoint == "messages" else "openai"
    exchange = expect_whole(caller.over(via).infer(ask), ask)
    expect_equal(text_of(exchange), text_of(plain), of=f"the text that {via} hands out", exchange=exchange)
    expect_equal(tokens_of(exchange), tokens_of(plain), of=f"the tokens that {via} hands out", exchange=exchange)
    assert books.journals is not None
    assert books.mark is not None
    entries = arrivals(books.journals.since(books.mark), exchange)
    expect_equal(
        [entry.total_tokens for entry in entries], [tokens_of(plain)], of="tokens generated", exchange=exchange
    )


@check("MAAS-TOK-007", "MAAS-GW-004", needs=("kube", "backends", "models", "metrics"))
def test_the_openai_client_reads_embeddings_and_they_are_charged(world: World, books: Books) -> None:
    """It asks for vectors in base64, whatever the application wants: the answer must come through as it was given."""
    twin = world.new_model(variant=EMBEDS)
    caller = world.customer(models=twin.handle)
    ask = Ask(endpoint="embeddings", prompt="Some words to place among others.")
    exchanges = [expect_whole(one.infer(ask), ask) for one in (caller, caller.over("openai"))]
    expect_equal(
        tokens_of(exchanges[1]), tokens_of(exchanges[0]), of="tokens that openai hands out", exchange=exchanges[1]
    )
    replace(books, journals=world.journals()).expect_balanced([caller.account()])


@EACH
@check("MAAS-AUTH-001", "MAAS-AUTH-003", needs=MESSAGES)
def test_who_shows_no_credential_meets_an_authentication_error(world: World, sandwich: Sandwich, via: Via) -> None:
    caller = world.anybody().over(via)
    for credential in (None, GARBAGE):
        stranger = world.caller(credential, model=caller.model).over(via)
        sandwich(
            control=partial(caller.infer, shortest(via)),
            denied=partial(stranger.infer, shortest(via)),
            status=401,
            when=f"{via} calls with {'no credential' if credential is None else 'a credential of no known kind'}",
        )


@EACH
@check("MAAS-AUTH-004", "MAAS-AUTH-051", needs=MESSAGES)
def test_who_may_not_meets_a_permission_error(world: World, sandwich: Sandwich, via: Via) -> None:
    caller, outside = world.anybody().over(via), world.model(1)
    for denied, when in (
        (partial(world.caller(NOBODYS, model=caller.model).over(via).infer, shortest(via)), "the key was never issued"),
        (partial(caller.infer, shortest(via), model=outside), "the model is not in the key's subscription"),
    ):
        sandwich(
            control=partial(caller.infer, shortest(via)), denied=denied, status=403, when=f"{via} calls and {when}"
        )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@EACH
@check("MAAS-RATE-001", "MAAS-RATE-005", needs=MESSAGES)
def test_who_has_spent_the_budget_meets_a_rate_limit_error(world: World, via: Via, *, stream: bool) -> None:
    """The budget is spent by chat, whatever is asked for afterwards: it is one for the model, not for a protocol."""
    budget = spendable(world)
    budget.exhaust()
    refusal = budget.caller.over(via).infer(shortest(via, stream=stream))
    expect_refused(refusal, 429, quota_refusal, when=f"{via} calls with a spent budget")
    expect_equal(refusal.events, (), of="events of a refused call", exchange=refusal)


@check("MAAS-GW-005", needs={"kube"})
def test_the_openai_client_reaches_several_models_under_one_address(world: World) -> None:
    """One base URL, the model in the body: how an application switches models."""
    models = (world.model(0), world.model(1))
    caller = world.customer(models=models).over("openai")
    for model in models:
        exchange = expect_served(
            caller.infer(Ask(style="body", max_tokens=4), model=model), when=f"{model.model_id} is named"
        )
        named = exchange.json().get("model")
        expect(
            named in {model.model_id, model.served_name},
            expected=f"an answer of {model.model_id}",
            observed=f"one of {named}",
            exchange=exchange,
        )
