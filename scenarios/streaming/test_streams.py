"""Server-sent events through the gateway: complete, in order, in time, and never mixed up."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from harness.client.completion import documents_of, text_of
from harness.client.exchange import Exchange
from harness.client.official import Via
from harness.engine.declaration import check
from harness.world.answer import expect_whole, seems_whole
from harness.world.caller import Caller
from harness.world.clients import EACH_CLIENT
from harness.world.expectations import expect, expect_equal, expect_refused, quota_refusal
from harness.world.inference import Ask, Endpoint
from harness.world.lent import spendable
from harness.world.mishap import failing
from harness.world.world import World

TOGETHER: Final = 8
PAUSE_S: Final = 1.0
PAUSE_AT: Final = 5
NOTICEABLE: Final = 0.5
"""The part of the pause that a reader must see at least: the rest is a busy machine's."""


@EACH_CLIENT
@pytest.mark.parametrize("endpoint", ["chat", "completions"])
@check("MAAS-TOK-002", "MAAS-GW-004")
def test_a_stream_is_complete_and_ends_as_its_protocol_says(world: World, endpoint: Endpoint, via: Via) -> None:
    ask = Ask(endpoint=endpoint, max_tokens=32, stream=True, include_usage=True)
    exchange = expect_whole(world.anybody().over(via).infer(ask), ask)
    expect(bool(text_of(exchange)), expected="text in the stream", observed="none", exchange=exchange)


@EACH_CLIENT
@check("MAAS-TOK-002")
def test_a_stream_that_asks_for_nothing_ends_with_its_usage_all_the_same(world: World, via: Via) -> None:
    ask = Ask(max_tokens=16, stream=True)
    expect_whole(world.anybody().over(via).infer(ask), ask)


@EACH_CLIENT
@check("MAAS-TOK-002", needs={"kube", "backends"})
def test_a_stream_says_what_the_answer_in_one_piece_says(world: World, via: Via) -> None:
    """The same question to a model that answers deterministically: the same text, the same usage."""
    caller = world.anybody().over(via)
    one, other = (
        Ask(max_tokens=40, prompt="One and the same question."),
        Ask(max_tokens=40, prompt="One and the same question.", stream=True, include_usage=True),
    )
    whole, streamed = expect_whole(caller.infer(one), one), expect_whole(caller.infer(other), other)
    expect_equal(streamed.usage, whole.usage, of="usage of the streamed answer", exchange=streamed)
    expect_equal(text_of(streamed), text_of(whole), of="text of the streamed answer", exchange=streamed)


@EACH_CLIENT
@check("MAAS-GW-004", needs={"kube", "backends"})
def test_the_first_event_does_not_wait_for_the_last(world: World, via: Via) -> None:
    """The model server pauses in mid-answer: what it said before must be with the client by then."""
    ask = Ask(max_tokens=4 * PAUSE_AT, stream=True)
    paused = failing("stall", after_tokens=PAUSE_AT, seconds=PAUSE_S)
    exchange = expect_whole(world.anybody().over(via).infer(ask, headers=paused), ask)
    gap = max(exchange.itl_s, default=0.0)
    expect(
        len(exchange.text_at) >= 4 * PAUSE_AT and gap >= NOTICEABLE * PAUSE_S,
        expected=f"{4 * PAUSE_AT} pieces of text with a gap of about {PAUSE_S:g} s where the model server paused",
        observed=f"{len(exchange.text_at)} pieces, the longest gap {gap:.2f} s",
        exchange=exchange,
    )
    assert exchange.ttft_s is not None
    world.wire.recorder.characteristic("ttft", exchange.ttft_s, "s")


@EACH_CLIENT
@check("MAAS-SEC-012", "MAAS-GW-004")
def test_streams_that_run_together_are_answers_of_their_own(world: World, via: Via) -> None:
    """Each stream is whole, has one id, and shares it with no other."""
    caller = world.anybody().over(via)
    exchanges = together(
        caller, [Ask(prompt=f"Question {number}.", max_tokens=16, stream=True) for number in range(TOGETHER)]
    )
    ids = [frozenset(document.get("id") for document in documents_of(exchange)) for exchange in exchanges]
    expect_equal(len(frozenset[object]().union(*ids)), TOGETHER, of="different ids", exchange=exchanges[0])


@check("MAAS-SEC-012", needs={"kube", "backends"})
def test_no_word_of_one_stream_is_in_another(world: World) -> None:
    """Each prompt has an answer of its own from a deterministic model; alone and among others it is the same, word for word."""
    caller = world.anybody()
    asks = [
        Ask(prompt=f"Prompt number {number} of a kind of its own", max_tokens=24, stream=True) for number in range(12)
    ]
    alone = [text_of(expect_whole(caller.infer(ask), ask)) for ask in asks]
    expect_equal(len(set(alone)), len(asks), of="different answers, so that a mix would show")
    for expected, exchange in zip(alone, together(caller, asks), strict=True):
        expect_equal(text_of(exchange), expected, of="the text that this prompt gets alone", exchange=exchange)


def together(caller: Caller, asks: list[Ask]) -> list[Exchange]:
    """Their whole answers, asked for at the same time."""
    caller.credential.secret()
    with ThreadPoolExecutor(len(asks)) as pool:
        return [expect_whole(exchange, ask) for ask, exchange in zip(asks, pool.map(caller.infer, asks), strict=True)]


@EACH_CLIENT
@check("MAAS-RATE-001", needs={"kube"})
def test_a_stream_without_budget_is_refused_before_it_begins(world: World, via: Via) -> None:
    budget = spendable(world)
    budget.exhaust()
    refusal = budget.caller.over(via).infer(Ask(stream=True, include_usage=True))
    expect_refused(refusal, 429, quota_refusal, when="the budget is spent")
    expect_equal(refusal.events, (), of="events of a refused stream", exchange=refusal)


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
@check("MAAS-GW-004", needs={"kube", "backends"})
def test_an_official_client_notices_that_a_stream_broke_off(world: World, endpoint: Endpoint) -> None:
    ask = Ask(endpoint=endpoint, max_tokens=64, stream=True)
    exchange = world.anybody().over("openai").infer(ask, headers=failing("close", after_tokens=10))
    expect(
        exchange.raised is not None and not seems_whole(exchange, ask),
        expected="an error out of the iteration over the stream",
        observed=f"the client {exchange.client} came to its end after {len(exchange.events)} events",
        exchange=exchange,
    )


@check("MAAS-TOK-004", "MAAS-RATE-001", needs={"kube"})
def test_a_caller_who_broke_a_stream_off_is_served_again(world: World) -> None:
    caller = world.anybody()
    left = caller.infer(Ask(max_tokens=400, stream=True), abort_after=3)
    expect_equal(left.status, 200, of="status before the client left", exchange=left)
    expect_whole(caller.infer(), Ask(), when="an earlier stream of the caller was broken off")
