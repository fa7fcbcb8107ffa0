"""Server-sent events through the gateway: complete, in order, in time, and never mixed up."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.client.completion import DONE, parse_json
from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.world.expectations import expect, expect_equal, expect_refused, expect_served, quota_refusal
from harness.world.inference import Ask, Endpoint
from harness.world.world import World


def text_of(exchange: Exchange) -> str:
    """The streamed answer's text."""
    chunks = [parse_json(event) for event in exchange.events if event != DONE]
    choices = [choice for chunk in chunks for choice in chunk.get("choices") or ()]
    return "".join(choice.get("text") or (choice.get("delta") or {}).get("content") or "" for choice in choices)


def whole_text(exchange: Exchange) -> str:
    """The text of an answer in one piece."""
    choice = exchange.json()["choices"][0]
    return str(choice.get("text") or choice["message"]["content"])


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
@check("MAAS-TOK-002")
def test_a_stream_is_complete_and_ends_with_done(world: World, endpoint: Endpoint) -> None:
    exchange = expect_served(
        world.anybody().infer(Ask(endpoint=endpoint, max_tokens=32, stream=True, include_usage=True))
    )
    expect(
        (exchange.header("content-type") or "").startswith("text/event-stream"),
        expected="content-type text/event-stream",
        observed=str(exchange.header("content-type")),
        exchange=exchange,
    )
    expect(exchange.error is None, expected="a whole stream", observed=str(exchange.error), exchange=exchange)
    expect_equal(exchange.events[-1:], (DONE,), of="the last event", exchange=exchange)
    expect(exchange.usage is not None, expected="usage in the last chunk", observed="none", exchange=exchange)
    finishes = [event for event in exchange.events if '"finish_reason":"' in event.replace(" ", "")]
    expect_equal(len(finishes), 1, of="chunks with a finish_reason", exchange=exchange)


@check("MAAS-TOK-002")
def test_the_text_of_a_stream_is_that_of_the_answer_in_one_piece(world: World) -> None:
    caller = world.anybody()
    ask = Ask(max_tokens=40, prompt="One and the same question.")
    whole = expect_served(caller.infer(ask))
    streamed = expect_served(caller.infer(Ask(max_tokens=40, prompt=ask.prompt, stream=True, include_usage=True)))
    expect_equal(streamed.usage, whole.usage, of="usage of the streamed answer", exchange=streamed)
    expect_equal(len(text_of(streamed)) > 0, True, of="text in the stream", exchange=streamed)


@check("MAAS-GW-004", needs={"kube", "backends"})
def test_a_stream_arrives_piece_by_piece(world: World) -> None:
    exchange = expect_served(world.customer().infer(Ask(max_tokens=256, stream=True)))
    expect(
        len(exchange.text_at) >= 256,
        expected="a chunk for each of 256 tokens",
        observed=f"{len(exchange.text_at)} chunks with text",
        exchange=exchange,
    )
    assert exchange.ttft_s is not None
    world.wire.recorder.characteristic("ttft", exchange.ttft_s, "s")
    world.wire.recorder.characteristic("stream_duration", exchange.duration_s, "s")


@check("MAAS-SEC-012", needs={"kube"})
def test_streams_that_run_together_never_mix(world: World) -> None:
    customer = world.customer()
    customer.credential.secret()
    prompts = [f"Prompt number {number} of a kind of its own" for number in range(12)]
    alone = {
        prompt: text_of(expect_served(customer.infer(Ask(prompt=prompt, max_tokens=24, stream=True))))
        for prompt in prompts
    }
    with ThreadPoolExecutor(len(prompts)) as pool:
        together = dict(
            zip(
                prompts,
                pool.map(lambda prompt: customer.infer(Ask(prompt=prompt, max_tokens=24, stream=True)), prompts),
                strict=True,
            )
        )
    for prompt, exchange in together.items():
        identifiers = {(parse_json(event) or {}).get("id") for event in exchange.events if event != DONE}
        expect_equal(len(identifiers), 1, of="answer ids within one stream", exchange=exchange)
        expect_equal(text_of(exchange), alone[prompt], of="the text that this prompt gets alone", exchange=exchange)


@check("MAAS-RATE-001", needs={"kube"})
def test_a_stream_without_budget_is_refused_before_it_begins(world: World) -> None:
    customer = world.customer(limit=1)
    expect_served(customer.infer(Ask(stream=True, include_usage=True)))
    refusal = customer.infer(Ask(stream=True, include_usage=True))
    expect_refused(refusal, 429, quota_refusal, when="the budget is spent")
    expect_equal(refusal.events, (), of="events of a refused stream", exchange=refusal)


@check("MAAS-TOK-004", needs={"kube", "metrics", "backends"})
def test_what_a_broken_off_stream_costs(world: World) -> None:
    customer = world.customer()
    exchange = customer.infer(Ask(max_tokens=400, stream=True), abort_after=3)
    expect_equal(exchange.status, 200, of="status before the client left", exchange=exchange)
    after = expect_served(customer.infer(), when="an earlier stream of the caller was broken off")
    expect_equal(after.status, 200, of="the next call", exchange=after)
