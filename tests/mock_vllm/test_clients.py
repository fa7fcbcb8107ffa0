"""The official clients work unmodified."""

import asyncio
import json

import anthropic
import openai
import pytest
from pydantic import BaseModel

from tests.mock_vllm.running import Running

HELLO = [{"role": "user", "content": "Hello, world"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]


class Person(BaseModel):
    name: str
    age: int
    tags: list[str]


@pytest.fixture(scope="module")
def client(launch) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{launch().api.base_url}/v1", api_key="none", max_retries=0)


def test_openai_models_and_completions(client):
    assert [model.id for model in client.models.list()] == ["shown", "alias"]
    assert client.completions.create(model="shown", prompt="Hi", max_tokens=3).usage.completion_tokens == 3


def test_openai_chat(client):
    found = client.chat.completions.create(model="shown", messages=HELLO, max_tokens=5, logprobs=True, top_logprobs=2)
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (8, 5)
    assert len(found.choices[0].logprobs.content) == 5


def test_openai_streaming(client):
    whole = client.chat.completions.create(model="shown", messages=HELLO, max_tokens=9)
    chunks = list(
        client.chat.completions.create(
            model="shown", messages=HELLO, max_tokens=9, stream=True, stream_options={"include_usage": True}
        )
    )
    assert (
        "".join(chunk.choices[0].delta.content for chunk in chunks if chunk.choices) == whole.choices[0].message.content
    )
    assert chunks[-1].usage.completion_tokens == 9


def test_openai_stream_helper_with_tools(client):
    with client.chat.completions.stream(model="shown", messages=HELLO, tools=TOOLS, max_tokens=100) as stream:
        found = stream.get_final_completion()
    call = found.choices[0].message.tool_calls[0]
    assert (call.function.name, found.choices[0].finish_reason) == ("weather", "tool_calls")
    assert "city" in json.loads(call.function.arguments)


def test_openai_structured_outputs(client):
    found = client.chat.completions.parse(model="shown", messages=HELLO, response_format=Person, max_tokens=200)
    assert isinstance(found.choices[0].message.parsed, Person)


def test_openai_async(launch):
    async def ask() -> str:
        async with openai.AsyncOpenAI(base_url=f"{launch().api.base_url}/v1", api_key="none") as client:
            stream = await client.chat.completions.create(model="shown", messages=HELLO, max_tokens=4, stream=True)
            return "".join([chunk.choices[0].delta.content async for chunk in stream])

    assert asyncio.run(ask())


@pytest.mark.parametrize(
    ("body", "kind"),
    [({"model": "nobody"}, openai.NotFoundError), ({"temperature": -1}, openai.BadRequestError)],
)
def test_openai_errors(client, body, kind):
    with pytest.raises(kind):
        client.chat.completions.create(**({"model": "shown", "messages": HELLO} | body))


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_openai_embeddings(launch, encoding):
    server = launch("--runner", "pooling")
    client = openai.OpenAI(base_url=f"{server.api.base_url}/v1", api_key="none")
    texts = ["The cat sat", "The cat sat", "Quantum chromodynamics"]
    found = client.embeddings.create(model="shown", input=texts, encoding_format=encoding, dimensions=64)
    raw = server.api.post("/v1/embeddings", json={"input": texts, "dimensions": 64}).json()
    if encoding == "float":
        assert [one.embedding for one in found.data] == [one["embedding"] for one in raw["data"]]
    assert found.usage.prompt_tokens == 6 + sum(-(-len(word) // 4) for word in texts[2].split())
    assert raw["data"][0]["embedding"] == raw["data"][1]["embedding"] != raw["data"][2]["embedding"]
    assert sum(value * value for value in raw["data"][0]["embedding"]) == pytest.approx(1)


# --- Anthropic


@pytest.fixture(scope="module")
def claude(launch) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=str(launch().api.base_url).rstrip("/"), api_key="none", max_retries=0)


def test_anthropic_messages(claude):
    found = claude.messages.create(model="shown", max_tokens=5, messages=HELLO, system="Be brief")
    assert (found.type, found.role, found.stop_reason) == ("message", "assistant", "max_tokens")
    assert (found.usage.input_tokens, found.usage.output_tokens) == (13, 5)
    assert found.content[0].text


def test_anthropic_streaming(claude):
    whole = claude.messages.create(model="shown", max_tokens=8, messages=HELLO)
    with claude.messages.stream(model="shown", max_tokens=8, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text
    assert final.usage.output_tokens == 8
    assert final.stop_reason == "max_tokens"


@pytest.mark.parametrize("choice", [{"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "weather"}])
def test_anthropic_tools(claude, choice):
    tools = [{"name": "weather", "input_schema": PARAMETERS}]
    found = claude.messages.create(model="shown", max_tokens=100, messages=HELLO, tools=tools, tool_choice=choice)
    assert found.stop_reason == "tool_use"
    use = found.content[0]
    assert (use.type, use.name) == ("tool_use", "weather")
    assert isinstance(use.input["city"], str)
    with claude.messages.stream(
        model="shown", max_tokens=100, messages=HELLO, tools=tools, tool_choice=choice
    ) as stream:
        assert stream.get_final_message().content[0].input == use.input
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "22 degrees"}
    conversation = [*HELLO, {"role": "assistant", "content": [use.model_dump()]}, {"role": "user", "content": [result]}]
    after = claude.messages.create(model="shown", max_tokens=5, messages=conversation, tools=tools)
    assert after.content[0].type == "text"


def test_anthropic_stop_sequence_and_count(claude):
    whole = claude.messages.create(model="shown", max_tokens=20, messages=HELLO).content[0].text
    stop = whole[20:26]
    found = claude.messages.create(model="shown", max_tokens=20, messages=HELLO, stop_sequences=[stop])
    assert (found.stop_reason, found.stop_sequence) == ("stop_sequence", stop)
    assert found.content[0].text == whole[: whole.index(stop)]
    assert claude.messages.count_tokens(model="shown", messages=HELLO).input_tokens == 8


def test_anthropic_reasoning(launch):
    server = launch("--reasoning-parser", "qwen3")
    client = anthropic.Anthropic(base_url=str(server.api.base_url).rstrip("/"), api_key="none")
    found = client.messages.create(model="shown", max_tokens=30, messages=HELLO)
    assert [block.type for block in found.content] == ["thinking", "text"]


def test_anthropic_errors(claude):
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.messages.create(model="nobody", max_tokens=5, messages=HELLO)
    assert caught.value.body == {
        "type": "error",
        "error": {"type": "NotFoundError", "message": "The model `nobody` does not exist."},
    }


def test_a_streamed_message_is_journalled(server: Running):
    body = {"model": "shown", "messages": HELLO, "max_tokens": 6, "stream": True}
    server.api.post("/v1/messages", json=body, headers={"X-Request-Id": "streamed-message"})
    entry = server.entry("streamed-message")
    assert (entry["completion_tokens"], entry["delivered_tokens"], entry["usage_delivered"], entry["stream"]) == (
        6,
        6,
        True,
        True,
    )
