"""Every token is in three books: what the client was told, what the model servers generated, what the platform charged."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.engine.declaration import check
from harness.world.books import Books
from harness.world.expectations import expect, expect_served
from harness.world.inference import Ask
from harness.world.lent import MODEST, spendable
from harness.world.quota import spend
from harness.world.world import World

SIZES = (1, 17, 64, 5, 128)


@check("MAAS-TOK-008", "MAAS-TOK-001", needs={"kube", "backends", "metrics"})
def test_json_answers_are_charged_to_the_token(world: World, books: Books) -> None:
    customer = world.customer()
    for size in SIZES:
        expect_served(customer.infer(Ask(max_tokens=size)))
    books.expect_balanced([customer.account()])


@check("MAAS-TOK-008", needs={"kube", "backends", "metrics"})
def test_streams_that_ask_for_usage_are_charged_to_the_token(world: World, books: Books) -> None:
    customer = world.customer()
    for size in SIZES:
        expect_served(customer.infer(Ask(max_tokens=size, stream=True, include_usage=True)))
    books.expect_balanced([customer.account()])


@pytest.mark.parametrize("include_usage", [None, False], ids=["not-asked", "declined"])
@check("MAAS-TOK-002", "MAAS-TOK-003", needs={"kube", "backends", "metrics"})
def test_streams_that_do_not_ask_for_usage_are_charged_all_the_same(
    world: World, books: Books, include_usage: bool | None
) -> None:
    customer = world.customer()
    asks = [Ask(max_tokens=size, stream=True, include_usage=include_usage) for size in SIZES]
    for ask in asks:
        expect_served(customer.infer(ask))
    books.expect_charged(customer.account(), requirement="MAAS-TOK-002" if include_usage is None else "MAAS-TOK-003")


@check("MAAS-TOK-002", needs={"kube"})
def test_streaming_without_asking_for_usage_does_not_evade_the_limit(world: World) -> None:
    customer = spendable(world).caller
    answers = []
    for _ in range(40):
        answers.append(customer.infer(Ask(max_tokens=16, stream=True)))
        if answers[-1].status == 429:
            break
        expect_served(answers[-1], when="the budget is not known to be spent")
    expect(
        answers[-1].status == 429 and len(answers) > 1,
        expected=f"429 once {MODEST} tokens were streamed, whether or not the client asked for usage",
        observed=f"{len(answers)} streams of 16 tokens and more, the last answered with {answers[-1].status}",
        exchange=answers[-1],
    )


@check("MAAS-TOK-007", needs={"kube", "backends", "metrics"})
def test_text_completions_are_charged_like_chat(world: World, books: Books) -> None:
    customer = world.customer()
    for size in SIZES:
        expect_served(customer.infer(Ask(endpoint="completions", max_tokens=size)))
        expect_served(customer.infer(Ask(endpoint="completions", max_tokens=size, stream=True, include_usage=True)))
    books.expect_balanced([customer.account()])


@check("MAAS-TOK-007", needs={"kube"})
def test_text_completions_spend_the_budget(world: World) -> None:
    budget = spendable(world)
    spend(lambda: budget.caller.infer(Ask(endpoint="completions")), limit=budget.limit)


@check("MAAS-TOK-008", needs={"kube", "backends", "metrics"})
def test_every_user_subscription_and_model_has_an_account_of_its_own(world: World, books: Books) -> None:
    first, second = world.model(0), world.model(1)
    alice, bob = world.identity(), world.identity()
    shared, own = (
        world.subscription((alice, bob), models=(first, second)),
        world.subscription(alice, models=first),
    )
    world.policy((alice, bob), models=(first, second))
    accounts = []
    for size, (who, subscription, model) in enumerate(
        [(alice, shared, first), (alice, shared, second), (bob, shared, first), (alice, own, first)], start=1
    ):
        caller = world.subscriber(who, subscription)
        for _ in range(size):
            expect_served(caller.infer(Ask(max_tokens=10 * size), model=model))
        accounts.append(caller.account(model))
    books.expect_balanced(accounts)


@check("MAAS-TOK-008", needs={"kube", "backends", "metrics"})
def test_the_books_balance_under_concurrency(world: World, books: Books) -> None:
    customer = world.customer()
    customer.credential.secret()
    asks = [
        Ask(max_tokens=1 + number % 7, stream=number % 3 == 0, include_usage=True if number % 3 == 0 else None)
        for number in range(48)
    ]
    with ThreadPoolExecutor(8) as pool:
        for exchange in pool.map(customer.infer, asks):
            expect_served(exchange)
    books.expect_balanced([customer.account()])
