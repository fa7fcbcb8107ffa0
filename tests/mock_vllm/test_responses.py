"""/v1/responses with the official client."""

import json

import openai
import pytest
from pydantic import BaseModel

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def client(launch) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{launch().api.base_url}/v1", api_key="none", max_retries=0)


def test_a_response(client):
    found = client.responses.create(model="shown", input="Hello, world", instructions="Be brief")
    assert (found.status, found.usage.input_tokens, found.usage.output_tokens) == ("completed", 13, 24)
    assert found.output_text
    assert client.responses.retrieve(found.id).output_text == found.output_text


def test_a_limit_leaves_it_incomplete(client):
    found = client.responses.create(model="shown", input="Hello", max_output_tokens=4)
    assert (found.status, found.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert found.usage.output_tokens == 4


def test_events(client):
    whole = client.responses.create(model="shown", input="Hello")
    events = list(client.responses.create(model="shown", input="Hello", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert events[-1].response.usage == whole.usage


def test_tools(client):
    found = client.responses.create(model="shown", input="Hello", tools=[WEATHER], max_output_tokens=100)
    call = found.output[0]
    assert (call.type, call.name) == ("function_call", "weather")
    assert "city" in json.loads(call.arguments)
    with client.responses.stream(model="shown", input="Hello", tools=[WEATHER], max_output_tokens=100) as stream:
        assert stream.get_final_response().output[0].arguments == call.arguments
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "22 degrees"}
    after = client.responses.create(model="shown", input=[output], previous_response_id=found.id, tools=[WEATHER])
    assert after.output_text


def test_structured_output(client):
    assert isinstance(client.responses.parse(model="shown", input="Hello", text_format=Person).output_parsed, Person)


def test_a_conversation_goes_on(client):
    first = client.responses.create(model="shown", input="Hello")
    second = client.responses.create(model="shown", input="And?", previous_response_id=first.id)
    # the first turn with its answer, two marks for the answer, two for the new message, and the two tokens of `And?`
    assert second.usage.input_tokens == first.usage.total_tokens + 2 + 2 + 2
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="shown", input="And?", previous_response_id="resp_unknown")


def test_what_is_not_stored_is_not_found(client):
    found = client.responses.create(model="shown", input="Hello", store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(found.id)
    stored = client.responses.create(model="shown", input="Hello")
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(stored.id)


def test_reasoning(launch):
    server = launch("--reasoning-parser", "qwen3")
    client = openai.OpenAI(base_url=f"{server.api.base_url}/v1", api_key="none")
    found = client.responses.create(model="shown", input="Hello", reasoning={"effort": "low"})
    assert [item.type for item in found.output] == ["reasoning", "message"]
    assert found.usage.output_tokens_details.reasoning_tokens == 8


@pytest.mark.parametrize(
    "body", [{"input": []}, {"input": [{"type": "hologram"}]}, {"input": "x", "tools": [{"type": "web_search"}]}, {}]
)
def test_bad_requests(server, body):
    assert server.api.post("/v1/responses", json=body).status_code == 400
