"""Requests whose spelling hides from a gateway what they ask for: the model server understands them, so they cost what they cost.

A gateway may refuse what it cannot read. What it passes on, it charges.
"""

from typing import Final

import pytest

from harness.engine.declaration import check
from harness.engine.failure import NotReady
from harness.platforms.platform import Need
from harness.world.books import Books
from harness.world.expectations import describe, expect, expect_served
from harness.world.inference import PATHS, Ask, Endpoint
from harness.world.world import World

BUFFER: Final = 64 * 1024
NEEDS: Final[tuple[Need, ...]] = ("kube", "backends", "metrics")
PROMPTS: Final = {"chat": '"messages": [{"role": "user", "content": "Hello"}]', "completions": '"prompt": "Hello"'}
STREAMS: Final = {
    "as-a-number": '"stream": 1',
    "as-text": '"stream": "true"',
    "said-twice": '"stream": false, "stream": true',
    "escaped": '"str\\u0065am": true',
    "options-inside-another-field": '"stream": true, "metadata": {"stream_options": {}}',
    "options-declined-twice": '"stream": true, "stream_options": {"include_usage": false}, "stream_options": {}',
    "options-declined-with-an-escape": '"stream": true, "stream_options": {}, "stream_opti\\u006fns": {"include_usage": false}',
    "options-that-are-null": '"stream": true, "stream_options": null',
    "beside-a-number-beyond-every-range": '"stream": true, "x_unknown": 1e999',
    "beside-a-deep-value": f'"stream": true, "x_unknown": {"[" * 120}{"]" * 120}',
}


@pytest.mark.parametrize("spelling", sorted(STREAMS))
@pytest.mark.parametrize("endpoint", ["chat", "completions"])
@check("MAAS-TOK-002", "MAAS-TOK-003", needs=NEEDS)
def test_no_spelling_of_a_request_makes_its_stream_free(
    world: World, books: Books, endpoint: Endpoint, spelling: str
) -> None:
    customer = world.customer()
    expect_served(customer.infer(Ask(endpoint=endpoint, stream=True)))
    body = f'{{"model": "{customer.model.served_name}", "max_tokens": 8, {PROMPTS[endpoint]}, {STREAMS[spelling]}}}'
    headers = {"Content-Type": "application/json"}
    exchange = customer.raw("POST", f"{customer.model.path}{PATHS[endpoint]}", body.encode(), headers=headers)
    world.wire.book.enter(customer.account(), exchange)
    expect(
        exchange.status == 200 or (exchange.status is not None and 400 <= exchange.status < 500),
        expected="an answer, or a 4xx from whoever cannot read the request",
        observed=describe(exchange),
        exchange=exchange,
    )
    books.expect_charged(customer.account(), requirement="MAAS-TOK-002")


@check("MAAS-TOK-001", "MAAS-TOK-008", needs=NEEDS)
def test_a_stream_that_states_its_usage_in_every_event_is_charged_once(world: World, books: Books) -> None:
    """As vLLM's clients may ask for: the figures of a stream's events are later states of one sum, and no summands."""
    customer = world.customer()
    often = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
    exchange = expect_served(customer.infer(Ask(max_tokens=24, stream=True, changes=often)))
    expect(
        exchange.usage is not None, expected="a stream that states its usage", observed="none does", exchange=exchange
    )
    books.expect_charged(customer.account(), requirement="MAAS-TOK-008")


@pytest.mark.parametrize(
    "ask", [Ask(max_tokens=20_000), Ask(max_tokens=1000, stream=True, include_usage=True)], ids=["whole", "stream"]
)
@check("MAAS-TOK-001", "MAAS-TOK-008", needs=NEEDS)
def test_an_answer_larger_than_a_buffer_is_charged_to_the_token(world: World, books: Books, ask: Ask) -> None:
    """Usage stands at the end of an answer, behind more than a frame or a buffer of 64 KiB holds."""
    customer = world.customer()
    exchange = expect_served(customer.infer(ask))
    size = len(exchange.body) + sum(len(event) for event in exchange.events)
    if size < BUFFER:
        raise NotReady(f"the model server answered {ask.max_tokens} tokens with {size} bytes, which is no large answer")
    books.expect_balanced([customer.account()])
