"""The official OpenAI client, unmodified: sync and async, streams, tools, structured outputs, responses.

The client builds its objects without validation, so what the server sends is validated here against the client's own models.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

import httpx
import openai
import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.mock_vllm.running import Running, events

HELLO = [{"role": "user", "content": "Hello, world"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
RESPONSE_TOOLS = [{"type": "function", "name": "weather", "parameters": PARAMETERS}]


class Address(BaseModel):
    street: str
    zip: int


class Person(BaseModel):
    name: str
    mood: Literal["good", "bad"]
    addresses: list[Address]


@pytest.fixture(scope="module")
def client(server: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.api.base_url}/v1", api_key="none", max_retries=0)


@pytest.fixture
def run(server: Running) -> Callable:
    """Run a coroutine function with an asynchronous client."""

    @asynccontextmanager
    async def made() -> AsyncIterator[openai.AsyncOpenAI]:
        async with openai.AsyncOpenAI(base_url=f"{server.api.base_url}/v1", api_key="none", max_retries=0) as client:
            yield client

    def runner(what: Callable) -> object:
        async def main() -> object:
            async with made() as client:
                return await what(client)

        return asyncio.run(main())

    return runner


# --- what is sent fits the client's models


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"logprobs": True, "top_logprobs": 2},
        {"tools": TOOLS, "max_tokens": 100},
        {"n": 3, "stop": ["the"]},
        {"response_format": {"type": "json_object"}, "max_tokens": 60},
    ],
)
def test_chat_fits_the_models(server, body):
    asked = {"messages": HELLO, "max_tokens": 6, **body}
    whole = server.api.post("/v1/chat/completions", json=asked).text
    assert len(ChatCompletion.model_validate_json(whole).choices) == body.get("n", 1)
    streamed = server.api.post("/v1/chat/completions", json={**asked, "stream": True}).text
    chunks = [ChatCompletionChunk.model_validate(one) for one in events(streamed)[:-1]]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def places(kind: type[BaseModel], found: dict) -> set[str]:
    """Where a reply does not fit a model."""
    try:
        kind.model_validate(found)
    except ValidationError as error:
        return {".".join(str(step) for step in one["loc"]) for one in error.errors()}
    return set()


@pytest.mark.parametrize(
    ("body", "unlike"),
    [
        ({}, set()),
        ({"n": 2}, set()),
        ({"logprobs": 2}, set()),
        # the first token of a prompt has no probability, in vLLM as in OpenAI's own servers
        ({"logprobs": 2, "echo": True}, {"choices.0.logprobs.token_logprobs.0", "choices.0.logprobs.top_logprobs.0"}),
    ],
)
def test_completions_fit_the_models(server, body, unlike):
    asked = {"prompt": "Hello", "max_tokens": 4, **body}
    assert places(Completion, server.api.post("/v1/completions", json=asked).json()) == unlike
    for one in events(server.api.post("/v1/completions", json={**asked, "stream": True}).text)[:-1]:
        # the client's model of a chunk is that of a whole reply, which has a finish reason
        going_on = {"choices.0.finish_reason"} if one["choices"][0]["finish_reason"] is None else set()
        assert places(Completion, one) - unlike == going_on


def test_models_and_embeddings_fit_the_models(server, launch):
    for card in server.api.get("/v1/models").json()["data"]:
        assert Model.model_validate(card).owned_by == "vllm"
    pooling = launch("--runner", "pooling")
    text = pooling.api.post("/v1/embeddings", json={"input": "Hello"}).text
    assert len(CreateEmbeddingResponse.model_validate_json(text).data[0].embedding) == 384


def with_new_counts(response: dict) -> dict:
    """The response with a count that the newest client knows and vLLM does not send."""
    if response["usage"] is not None:
        response["usage"]["input_tokens_details"]["cache_write_tokens"] = 0
    return response


@pytest.mark.parametrize("parser", [(), ("--reasoning-parser", "qwen3")])
@pytest.mark.parametrize(
    "body",
    [
        {"instructions": "Be brief", "metadata": {"a": "b"}, "user": "u", "reasoning": {"effort": "low"}},
        {"tools": RESPONSE_TOOLS},
        {"text": {"format": {"type": "json_schema", "name": "person", "schema": PARAMETERS, "strict": True}}},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 1},
        {"max_output_tokens": 5},
    ],
)
def test_responses_fit_the_models(launch, parser, body):
    server = launch(*parser)
    whole = with_new_counts(server.api.post("/v1/responses", json={"input": "Hello", **body}).json())
    assert Response.model_validate(whole).status == ("incomplete" if "max_output_tokens" in body else "completed")
    adapter = TypeAdapter(ResponseStreamEvent)
    streamed = server.api.post("/v1/responses", json={"input": "Hello", "stream": True, **body}).text
    raw = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: ")]
    for event in (raw[0], raw[1], raw[-1]):
        event["response"] = with_new_counts(event["response"])
    found = [adapter.validate_python(event) for event in raw]
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert [type(event).__name__ for event in (found[0], found[-1])] == [
        "ResponseCreatedEvent",
        "ResponseCompletedEvent",
    ]


# --- chat


def test_an_agent_loop_ends(client):
    messages = list(HELLO)
    first = client.chat.completions.create(model="shown", messages=messages, tools=TOOLS)
    call = first.choices[0].message.tool_calls[0]
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    messages += [first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "22 degrees"}]
    second = client.chat.completions.create(model="shown", messages=messages, tools=TOOLS)
    assert (second.choices[0].finish_reason, bool(second.choices[0].message.content)) == ("stop", True)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_tool_that_must_be_called(client, choice):
    found = client.chat.completions.create(model="shown", messages=HELLO, tools=TOOLS, tool_choice=choice)
    named = not isinstance(choice, str)
    assert found.choices[0].message.tool_calls[0].function.name == "weather"
    assert found.choices[0].finish_reason == ("stop" if named else "tool_calls")


def test_strict_tools_are_parsed(client):
    tool = openai.pydantic_function_tool(Person)
    found = client.chat.completions.parse(model="shown", messages=HELLO, tools=[tool], max_tokens=400)
    assert isinstance(found.choices[0].message.tool_calls[0].function.parsed_arguments, Person)


def test_structured_outputs_in_a_stream(client):
    with client.chat.completions.stream(
        model="shown", messages=HELLO, response_format=Person, max_tokens=400
    ) as stream:
        kinds = {event.type for event in stream}
        found = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(found, Person)
    assert {"content.delta", "content.done"} <= kinds


def test_structured_outputs_that_are_cut_off(client):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="shown", messages=HELLO, response_format=Person, max_tokens=2)


def test_raw_responses_show_headers(client):
    raw = client.chat.completions.with_raw_response.create(model="shown", messages=HELLO, max_tokens=2)
    assert (raw.headers["content-type"], raw.parse().usage.completion_tokens) == ("application/json", 2)


# --- asynchronous


def test_many_at_once(run):
    async def ask(client: openai.AsyncOpenAI) -> list[int]:
        asked = [
            client.chat.completions.create(model="shown", messages=HELLO, max_tokens=length) for length in range(1, 21)
        ]
        return [found.usage.completion_tokens for found in await asyncio.gather(*asked)]

    assert run(ask) == list(range(1, 21))


def test_an_asynchronous_stream(run, client):
    async def ask(client: openai.AsyncOpenAI) -> tuple[str, int]:
        stream = await client.chat.completions.create(
            model="shown", messages=HELLO, max_tokens=7, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content for chunk in chunks if chunk.choices)
        return text, chunks[-1].usage.completion_tokens

    whole = client.chat.completions.create(model="shown", messages=HELLO, max_tokens=7)
    assert run(ask) == (whole.choices[0].message.content, 7)


def test_asynchronous_structured_outputs_and_tools(run):
    async def ask(client: openai.AsyncOpenAI) -> tuple[object, str]:
        parsed = await client.chat.completions.parse(
            model="shown", messages=HELLO, response_format=Person, max_tokens=400
        )
        async with client.chat.completions.stream(model="shown", messages=HELLO, tools=TOOLS) as stream:
            final = await stream.get_final_completion()
        return parsed.choices[0].message.parsed, final.choices[0].message.tool_calls[0].function.name

    found, name = run(ask)
    assert (type(found), name) == (Person, "weather")


def test_asynchronous_responses(run, client):
    async def ask(client: openai.AsyncOpenAI) -> tuple[str, str, object]:
        async with client.responses.stream(model="shown", input="Hello") as stream:
            deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
            final = await stream.get_final_response()
        parsed = await client.responses.parse(model="shown", input="Hello", text_format=Person)
        return "".join(deltas), final.output_text, parsed.output_parsed

    streamed, final, parsed = run(ask)
    assert streamed == final == client.responses.create(model="shown", input="Hello").output_text
    assert isinstance(parsed, Person)


def test_asynchronous_models_and_embeddings(run, launch):
    async def names(client: openai.AsyncOpenAI) -> list[str]:
        return [model.id async for model in client.models.list()]

    assert run(names) == ["shown", "alias"]
    pooling = launch("--runner", "pooling")

    async def embed() -> list[float]:
        async with openai.AsyncOpenAI(base_url=f"{pooling.api.base_url}/v1", api_key="none") as client:
            return (await client.embeddings.create(model="shown", input="Hello")).data[0].embedding

    plain = pooling.api.post("/v1/embeddings", json={"input": "Hello"}).json()["data"][0]["embedding"]
    assert asyncio.run(embed()) == pytest.approx(plain, abs=1e-6)  # the client asks for float32 in base64


# --- errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_injected_errors_are_the_client_s(client, status, kind):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model="shown", messages=HELLO, extra_headers={"X-Return-Error": str(status)})
    assert caught.value.body["code"] == status


def test_a_wrong_key(launch):
    guarded = launch("--api-key", "right")
    client = openai.OpenAI(base_url=f"{guarded.api.base_url}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        client.models.list()
    assert client.with_options(api_key="right").models.list().data[0].id == "shown"


def test_a_failed_request_is_tried_again(launch):
    server = launch(private=True)
    server.admin.put("/faults", json={"faults": [{"kind": "error", "status": 503, "times": 2}]})
    client = openai.OpenAI(base_url=f"{server.api.base_url}/v1", api_key="none", max_retries=2)
    assert client.completions.create(model="shown", prompt="Hi", max_tokens=2).usage.completion_tokens == 2
    assert [entry["status"] for entry in server.admin.get("/journal").json()["entries"]] == [503, 503, 200]


def test_a_stream_that_breaks_off(client):
    stream = client.chat.completions.create(
        model="shown", messages=HELLO, stream=True, extra_headers={"X-Mock-Fault": "close; after_tokens=3"}
    )
    chunks = iter(stream)
    seen = [next(chunks).choices[0].delta.content for _ in range(4)]
    assert (seen[0], all(seen[1:])) == ("", True)
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
        next(chunks)
