"""The official Anthropic client, unmodified: sync and async, streams, tools, counts; and what is sent against its own models."""

import asyncio
import json
from collections.abc import Callable

import anthropic
import pytest
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from pydantic import TypeAdapter

from tests.mock_vllm.running import Running

HELLO = [{"role": "user", "content": "Hello, world"}]
ASK = {"model": "shown", "messages": HELLO, "max_tokens": 8}
TOOLS = [
    {
        "name": "weather",
        "description": "How warm it is",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


def url(server: Running) -> str:
    return str(server.api.base_url).rstrip("/")


@pytest.fixture(scope="module")
def client(server: Running) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url(server), api_key="none", max_retries=0)


@pytest.fixture
def run(server: Running) -> Callable:
    """Run a coroutine function with an asynchronous client."""

    def runner(what: Callable) -> object:
        async def main() -> object:
            async with anthropic.AsyncAnthropic(base_url=url(server), api_key="none", max_retries=0) as client:
                return await what(client)

        return asyncio.run(main())

    return runner


# --- what is sent fits the client's models


@pytest.mark.parametrize("parser", [(), ("--reasoning-parser", "qwen3")])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"system": "Be brief", "temperature": 0.5, "top_k": 5, "top_p": 0.9, "metadata": {"user_id": "u"}},
        {"tools": TOOLS, "max_tokens": 100},
        {"tools": TOOLS, "max_tokens": 100, "tool_choice": {"type": "none"}},
    ],
)
def test_messages_fit_the_models(launch, parser, body):
    server = launch(*parser)
    whole = Message.model_validate_json(server.api.post("/v1/messages", json={**ASK, **body}).text)
    streamed = server.api.post("/v1/messages", json={**ASK, **body, "stream": True}).text
    adapter = TypeAdapter(RawMessageStreamEvent)
    found = [adapter.validate_json(line[6:]) for line in streamed.splitlines() if line.startswith("data: ")]
    assert [found[0].type, found[-2].type, found[-1].type] == ["message_start", "message_delta", "message_stop"]
    starts = [event.content_block.type for event in found if event.type == "content_block_start"]
    assert starts == [block.type for block in whole.content]
    assert found[-2].usage.output_tokens == whole.usage.output_tokens
    assert found[-2].delta.stop_reason == whole.stop_reason


def test_counts_fit_the_models(server):
    text = server.api.post("/v1/messages/count_tokens", json={"model": "shown", "messages": HELLO}).text
    assert MessageTokensCount.model_validate_json(text).input_tokens == 8


# --- messages


@pytest.mark.parametrize("with_tools", [False, True])
def test_a_count_is_what_the_message_costs(client, with_tools):
    asked = {"model": "shown", "messages": HELLO, "system": "Be brief", **({"tools": TOOLS} if with_tools else {})}
    counted = client.messages.count_tokens(**asked).input_tokens
    assert counted == client.messages.create(**asked, max_tokens=3).usage.input_tokens
    assert (counted > 13) == with_tools


def test_stream_events_build_the_message(client):
    whole = client.messages.create(**ASK)
    with client.messages.stream(**ASK) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert final.content[0].text == whole.content[0].text
    assert (final.usage.input_tokens, final.usage.output_tokens) == (whole.usage.input_tokens, 8)
    assert kinds.count("text") == 8


def test_an_agent_loop_ends(client):
    messages = list(HELLO)
    with client.messages.stream(model="shown", messages=messages, max_tokens=100, tools=TOOLS) as stream:
        first = stream.get_final_message()
    use = first.content[0]
    assert (first.stop_reason, use.type, type(use.input["city"])) == ("tool_use", "tool_use", str)
    messages += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "22 degrees"}]},
    ]
    second = client.messages.create(model="shown", messages=messages, max_tokens=100, tools=TOOLS)
    assert [block.type for block in second.content] == ["text"]


def test_thinking_can_be_sent_back(launch):
    client = anthropic.Anthropic(base_url=url(launch("--reasoning-parser", "qwen3")), api_key="none", max_retries=0)
    with client.messages.stream(**{**ASK, "max_tokens": 30}) as stream:
        first = stream.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "text"]
    assert first.content[0].signature
    turns = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": "And?"}]
    without = [*HELLO, {"role": "assistant", "content": first.content[1:]}, {"role": "user", "content": "And?"}]
    costs = [client.messages.count_tokens(model="shown", messages=one).input_tokens for one in (turns, without)]
    assert costs[0] == costs[1]


def test_raw_responses_show_headers(client):
    raw = client.messages.with_raw_response.create(**ASK)
    assert (raw.headers["content-type"], raw.parse().usage.output_tokens) == ("application/json", 8)


# --- asynchronous


def test_many_at_once(run):
    async def ask(client: anthropic.AsyncAnthropic) -> list[int]:
        asked = [client.messages.create(**{**ASK, "max_tokens": length}) for length in range(1, 21)]
        return [found.usage.output_tokens for found in await asyncio.gather(*asked)]

    assert run(ask) == list(range(1, 21))


def test_an_asynchronous_stream_and_count(run, client):
    async def ask(client: anthropic.AsyncAnthropic) -> tuple[str, int, int]:
        async with client.messages.stream(**ASK) as stream:
            text = "".join([piece async for piece in stream.text_stream])
            final = await stream.get_final_message()
        counted = await client.messages.count_tokens(model="shown", messages=HELLO)
        return text, final.usage.output_tokens, counted.input_tokens

    assert run(ask) == (client.messages.create(**ASK).content[0].text, 8, 8)


def test_asynchronous_tools(run):
    async def ask(client: anthropic.AsyncAnthropic) -> dict:
        async with client.messages.stream(model="shown", messages=HELLO, max_tokens=100, tools=TOOLS) as stream:
            pieces = [event.partial_json async for event in stream if event.type == "input_json"]
            final = await stream.get_final_message()
        assert json.loads("".join(pieces)) == final.content[0].input
        return final.content[0].input

    assert set(run(ask)) == {"city"}


# --- errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
    ],
)
def test_injected_errors_are_the_client_s(client, status, kind):
    with pytest.raises(kind):
        client.messages.create(**ASK, extra_headers={"X-Return-Error": str(status)})


def test_a_key_in_the_header_of_this_api_is_no_bearer_token(launch):
    guarded = launch("--api-key", "right")
    assert guarded.api.post("/v1/messages", json=ASK, headers={"X-Api-Key": "right"}).status_code == 401
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=url(guarded), auth_token="wrong", max_retries=0).messages.create(**ASK)
    # vLLM knows bearer tokens alone; older clients send those only for what they call an authentication token
    found = anthropic.Anthropic(base_url=url(guarded), auth_token="right", max_retries=0).messages.create(**ASK)
    assert found.usage.output_tokens == 8


def test_a_stream_that_breaks_off(client):
    stream = client.messages.create(**ASK, stream=True, extra_headers={"X-Mock-Fault": "close; after_tokens=3"})
    events = iter(stream)
    assert [next(events).type for _ in range(5)] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 3,
    ]
    # the class is that of whichever HTTP library the client is built on
    with pytest.raises(Exception, match="peer closed connection without sending complete message body"):
        next(events)
