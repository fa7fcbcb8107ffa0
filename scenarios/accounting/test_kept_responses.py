"""Responses that a model server would keep: generated behind the caller's back, fetched once more, or read by somebody else.

A platform may offer them or not; whichever it does, what is generated is paid for once, by whoever asked for it.
"""

from typing import Final

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.world.answer import expect_whole, tokens_of
from harness.world.books import Books, charged
from harness.world.caller import Caller
from harness.world.expectations import describe, expect, expect_equal
from harness.world.inference import Ask
from harness.world.patience import until
from harness.world.sandwich import arrivals
from harness.world.world import World

ANSWER_TOKENS: Final = 40
RESPONSE: Final = Ask(endpoint="responses", max_tokens=ANSWER_TOKENS)
IN_BACKGROUND: Final = Ask(endpoint="responses", max_tokens=ANSWER_TOKENS, changes={"background": True})
GENERATED: Final = Bound("a response in the background is generated", 30)
STRANGERS: Final = (401, 403, 404)


def generated_for(books: Books, exchange: Exchange) -> int:
    """Tokens that model servers generated for a request: none where it was refused, and all of them where it was taken."""
    journals, mark = books.journals, books.mark
    assert journals is not None
    assert mark is not None
    if exchange.status == 200:
        until(lambda: arrivals(journals.since(mark), exchange), bool, GENERATED)
    return sum(entry.total_tokens or 0 for entry in arrivals(journals.since(mark), exchange))


def expect_cost(books: Books, customer: Caller, due: int, exchange: Exchange) -> None:
    """The customer was charged so much for everything so far. A further call, whole, makes sure that the counter has heard of it."""
    assert books.platform is not None
    platform = books.platform
    fence = expect_whole(customer.infer(RESPONSE), RESPONSE)
    expected = due + (tokens_of(fence) or 0)
    total, _ = until(
        lambda: charged(platform.read(), customer.account()) or 0, lambda seen: seen == expected, books.metrics_bound
    )
    expect_equal(total, expected, of="tokens charged", exchange=exchange)


@check("MAAS-TOK-006", needs=("kube", "backends", "metrics"))
def test_a_response_in_the_background_is_paid_for_or_never_begun(world: World, books: Books) -> None:
    customer = world.customer()
    usual = expect_whole(customer.infer(RESPONSE), RESPONSE)
    asked = customer.infer(IN_BACKGROUND)
    due = (tokens_of(usual) or 0) + generated_for(books, asked)
    expect_cost(books, customer, due, asked)


@check("MAAS-TOK-006", needs=("kube", "backends", "metrics"))
def test_a_response_is_paid_for_once_and_nobody_else_s_to_read(world: World, books: Books) -> None:
    customer, stranger = world.customer(), world.anybody()
    made = expect_whole(customer.infer(RESPONSE), RESPONSE)
    path = f"{customer.model.path}/v1/responses/{made.json()['id']}"
    for _ in range(2):
        customer.gateway("GET", path)
    read = stranger.gateway("GET", path)
    expect(
        read.status in STRANGERS,
        expected=f"somebody else's response is not told: {', '.join(map(str, STRANGERS))}",
        observed=describe(read),
        exchange=read,
    )
    expect_cost(books, customer, tokens_of(made) or 0, made)
