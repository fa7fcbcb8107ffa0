"""Whole answers of a real server are taken for whole, and every way of spoiling one is noticed."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from harness.client.completion import DONE
from harness.client.exchange import Exchange
from harness.client.measuring import Call, MeasuringClient
from harness.engine.failure import NotConformant
from harness.platforms.platform import ModelHandle
from harness.world.answer import expect_whole, seems_whole, tokens_of
from harness.world.inference import Ask, Endpoint
from mock_vllm.testing import MockVLLM

MODEL = ModelHandle(name="m", namespace="ns", model_id="m", path="", served_name="m")
STREAMED: tuple[Endpoint, ...] = ("chat", "completions", "responses", "messages")


@pytest.fixture(scope="module")
def ask_it() -> Iterator[Callable[[Ask], Exchange]]:
    client = MeasuringClient()
    with MockVLLM("m") as server:
        yield lambda ask: client.send(Call("POST", ask.url(server.url, MODEL), json=ask.body(MODEL)))
    client.close()


def request(endpoint: Endpoint, *, stream: bool = True) -> Ask:
    asked = True if stream and endpoint in ("chat", "completions") else None
    return Ask(endpoint=endpoint, stream=stream, include_usage=asked, max_tokens=6)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("endpoint", STREAMED)
def test_what_a_server_gives_is_whole(ask_it: Callable[[Ask], Exchange], endpoint: Endpoint, stream: bool) -> None:
    ask = request(endpoint, stream=stream)
    exchange = expect_whole(ask_it(ask), ask)
    assert seems_whole(exchange, ask)
    assert (tokens_of(exchange) or 0) > 6


NOTICED = [
    *((endpoint, lost) for endpoint in STREAMED for lost in ("last", "all but one")),
    ("messages", "first"),
    # only responses number their events, so only there a lost piece of text shows
    *(("responses", lost) for lost in ("first", "middle")),
]


@pytest.mark.parametrize(("endpoint", "lost"), NOTICED)
def test_a_stream_that_lost_an_event_is_not_whole(
    ask_it: Callable[[Ask], Exchange], endpoint: Endpoint, lost: str
) -> None:
    ask = request(endpoint)
    events = list(ask_it(ask).events)
    kept = {
        "first": events[1:],
        "middle": events[:4] + events[5:],
        "last": events[:-1],
        "all but one": events[:1],
    }[lost]
    spoilt = replace(ask_it(ask), events=tuple(kept))
    assert not seems_whole(spoilt, ask)
    with pytest.raises(NotConformant):
        expect_whole(spoilt, ask)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda one: replace(one, error="peer closed connection"), id="broken-connection"),
        pytest.param(lambda one: replace(one, raised="APIError"), id="client-error"),
        pytest.param(lambda one: replace(one, status=502), id="status"),
        pytest.param(lambda one: replace(one, headers=(("content-type", "application/json"),)), id="media-type"),
        pytest.param(lambda one: replace(one, events=(*one.events, DONE)), id="second-done"),
        pytest.param(lambda one: replace(one, events=one.events[:-2] + one.events[-1:]), id="without-usage"),
        pytest.param(lambda one: replace(one, events=(*one.events[:-1], *one.events[-2:])), id="usage-twice"),
        pytest.param(lambda one: replace(one, events=(*one.events[:2], "{broken", *one.events[2:])), id="broken-json"),
        pytest.param(
            lambda one: replace(
                one, events=(one.events[0].replace("chatcmpl-", "chatcmpl-of-another-"), *one.events[1:])
            ),
            id="event-of-another-stream",
        ),
    ],
)
def test_a_spoilt_stream_is_noticed(ask_it: Callable[[Ask], Exchange], spoil: Callable[[Exchange], Exchange]) -> None:
    ask = request("chat")
    spoilt = spoil(ask_it(ask))
    assert not seems_whole(spoilt, ask)
    with pytest.raises(NotConformant):
        expect_whole(spoilt, ask)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"choices":[{"message":{"content":"hi"}}]}'])
def test_a_spoilt_answer_in_one_piece_is_noticed(ask_it: Callable[[Ask], Exchange], body: bytes) -> None:
    ask = request("chat", stream=False)
    spoilt = replace(ask_it(ask), body=body)
    assert not seems_whole(spoilt, ask)
