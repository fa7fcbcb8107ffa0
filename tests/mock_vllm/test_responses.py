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


# --- the object, items and events


def test_tokens_are_those_of_chat(server):
    chat = server.api.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hello"}]}).json()
    found = server.api.post("/v1/responses", json={"input": "Hello"}).json()
    assert found["output"][0]["content"][0]["text"] == chat["choices"][0]["message"]["content"]
    usage = found["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (
        chat["usage"]["prompt_tokens"],
        chat["usage"]["completion_tokens"],
    )


def test_input_items_count_like_messages(server):
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Hello"}, {"type": "input_text", "text": "there"}]},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "warm"}]},
    ]
    messages = [
        {"role": "user", "content": "Hello\nthere"},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "content": "warm", "tool_call_id": "c"},
    ]
    counted = server.api.post("/tokenize", json={"messages": messages}).json()["count"]
    assert server.api.post("/v1/responses", json={"input": items}).json()["usage"]["input_tokens"] == counted


def test_a_limit_ends_a_stream_with_completed(client):
    events = list(client.responses.create(model="shown", input="Hello", max_output_tokens=3, stream=True))
    assert (events[-1].type, events[-1].response.status) == ("response.completed", "incomplete")
    assert [event.type for event in events].count("response.output_text.delta") == 3


def test_reasoning_events(launch):
    server = launch("--reasoning-parser", "qwen3")
    client = openai.OpenAI(base_url=f"{server.api.base_url}/v1", api_key="none")
    with client.responses.stream(model="shown", input="Hello", reasoning={"effort": "low"}) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    thought = [kind for kind in kinds if kind != "response.output_text.delta"][2:6]
    assert thought == [
        "response.output_item.added",
        "response.content_part.added",
        "response.reasoning_text.delta",
        "response.reasoning_text.delta",
    ]
    assert final.output[0].content[0].text
    assert final.output[1].content[0].text == final.output_text


def test_logprobs(client):
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "max_output_tokens": 3}
    shown = client.responses.create(model="shown", input="Hello", **asked).output[0].content[0]
    assert "".join(one.token for one in shown.logprobs) == shown.text
    assert all(len(one.top_logprobs) == 2 for one in shown.logprobs)
    events = client.responses.create(model="shown", input="Hello", stream=True, **asked)
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert [delta.logprobs[0].token for delta in deltas] == [one.token for one in shown.logprobs]


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_choice_without_tools_is_text(client, choice):
    assert client.responses.create(model="shown", input="Hello", tool_choice=choice).output_text


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "weather"}])
def test_a_chosen_tool_is_called(client, choice):
    found = client.responses.create(model="shown", input="Hello", tools=[WEATHER], tool_choice=choice)
    assert [one.type for one in found.output] == ["function_call"]


def test_a_tool_that_is_none_of_the_tools(server):
    body = {"input": "Hello", "tools": [WEATHER], "tool_choice": {"type": "function", "name": "other"}}
    assert server.api.post("/v1/responses", json=body).status_code == 400


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"background": True, "store": False}, "background can only be used when `store` is true"),
        ({"prompt": {"id": "p"}}, "prompt template is not supported"),
        ({"max_output_tokens": 0}, "max_tokens must be at least 1"),
        ({"top_logprobs": 21, "include": ["message.output_text.logprobs"]}, "greater than max allowed: 20"),
        ({"tools": [{"type": "function", "name": "a", "parameters": 5}]}, "the tool 'a' does not fit"),
    ],
)
def test_what_is_refused(server, body, text):
    found = server.api.post("/v1/responses", json={"input": "Hello", **body})
    assert found.status_code == 400
    assert text in found.json()["error"]["message"]


# --- in the background


@pytest.fixture(scope="module")
def slow(launch):
    return launch("--time-to-first-token", "20", "--inter-token-latency", "5")


@pytest.fixture(scope="module")
def patient(slow) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{slow.api.base_url}/v1", api_key="none", max_retries=0)


def waited(slow, request_id: str) -> dict:
    found = slow.admin.get("/journal", params={"request_id": request_id, "wait": "10"}).json()["entries"]
    return found[0]


def in_background(patient, request_id: str, tokens: int, **more):
    return patient.responses.create(
        model="shown",
        input="Hello",
        max_output_tokens=tokens,
        background=True,
        extra_headers={"X-Request-Id": request_id},
        **more,
    )


def test_in_the_background(slow, patient):
    headers = {"X-Request-Id": "background"}
    begun = patient.responses.create(
        model="shown", input="Hello", max_output_tokens=20, background=True, extra_headers=headers
    )
    assert (begun.id, begun.status, begun.output, begun.usage) == ("resp_background", "queued", [], None)
    entry = waited(slow, "background")
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (5, 20)
    assert (entry["delivered_tokens"], entry["usage_delivered"], entry["aborted"]) == (0, False, False)
    found = patient.responses.retrieve("resp_background", extra_headers={"X-Request-Id": "retrieved"})
    assert (found.status, found.usage.output_tokens, found.background) == ("incomplete", 20, True)
    fetched = waited(slow, "retrieved")
    assert (fetched["completion_tokens"], fetched["delivered_tokens"], fetched["usage_delivered"]) == (0, 20, True)
    same = patient.responses.create(model="shown", input="Hello", max_output_tokens=20)
    assert found.output_text == same.output_text


def test_events_of_the_background_can_be_read_again(slow, patient):
    stream = in_background(patient, "followed", 9, stream=True)
    events = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    entry = waited(slow, "followed")
    assert (entry["completion_tokens"], entry["delivered_tokens"], entry["usage_delivered"], entry["stream"]) == (
        9,
        9,
        True,
        True,
    )
    again = list(
        patient.responses.retrieve(
            "resp_followed", stream=True, starting_after=8, extra_headers={"X-Request-Id": "again"}
        )
    )
    assert [event.sequence_number for event in again] == list(range(9, len(events)))
    rest = len([event for event in again if event.type == "response.output_text.delta"])
    assert waited(slow, "again")["delivered_tokens"] == rest == 4


def test_a_client_that_leaves_does_not_end_the_background(slow, patient):
    stream = in_background(patient, "left", 30, stream=True)
    seen = 0
    for event in stream:
        seen += event.type == "response.output_text.delta"
        if seen == 3:
            break
    stream.close()
    entry = waited(slow, "left")
    assert (entry["completion_tokens"], entry["aborted"], entry["usage_delivered"]) == (30, True, False)
    assert 3 <= entry["delivered_tokens"] < 30
    assert patient.responses.retrieve("resp_left").usage.output_tokens == 30


def test_cancel(slow, patient):
    begun = in_background(patient, "cancelled", 2000)
    assert patient.responses.cancel(begun.id).status == "cancelled"
    assert patient.responses.retrieve(begun.id).status == "cancelled"
    entry = waited(slow, "cancelled")
    assert (entry["aborted"], entry["finish_reason"]) == (True, None)
    assert entry["completion_tokens"] < 2000
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        patient.responses.cancel(begun.id)


def test_a_background_that_breaks_off_has_failed(slow, patient):
    headers = {"X-Request-Id": "broken", "X-Mock-Fault": "close; after_tokens=3"}
    begun = patient.responses.create(model="shown", input="Hello", background=True, extra_headers=headers)
    entry = waited(slow, "broken")
    assert (entry["aborted"], entry["delivered_tokens"], entry["fault"]) == (True, 0, "close")
    found = patient.responses.retrieve(begun.id)
    assert (found.status, found.output) == ("failed", [])


def test_the_background_is_in_flight(slow, patient):
    begun = patient.responses.create(model="shown", input="Hello", max_output_tokens=2000, background=True)
    assert slow.admin.get("/journal").json()["in_flight"] == 1
    patient.responses.cancel(begun.id)
    assert slow.admin.get("/journal").json()["in_flight"] == 0


def test_a_stream_interval(launch):
    server = launch("--stream-interval", "3")
    client = openai.OpenAI(base_url=f"{server.api.base_url}/v1", api_key="none")
    events = list(client.responses.create(model="shown", input="Hello", max_output_tokens=9, stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) == 4  # 1, 3, 3 and 2 tokens
    assert "".join(deltas) == events[-1].response.output_text


# --- the journal, and faults


@pytest.mark.parametrize("stream", [False, True])
def test_the_journal_of_a_response(server, stream):
    headers = {"X-Request-Id": f"journalled-{stream}"}
    server.api.post("/v1/responses", json={"input": "Hello", "max_output_tokens": 6, "stream": stream}, headers=headers)
    entry = server.entry(f"journalled-{stream}")
    shown = {name: entry[name] for name in ("prompt_tokens", "completion_tokens", "delivered_tokens", "stream")}
    assert shown == {"prompt_tokens": 5, "completion_tokens": 6, "delivered_tokens": 6, "stream": stream}
    assert (entry["usage_delivered"], entry["finish_reason"], entry["aborted"]) == (True, "length", False)


def test_a_stream_that_is_left_is_journalled(slow):
    body = {"input": "Hello", "max_output_tokens": 500, "stream": True}
    with slow.api.stream("POST", "/v1/responses", json=body, headers={"X-Request-Id": "gone"}) as reply:
        for line in reply.iter_lines():
            if line == "event: response.output_text.delta":
                break
    entry = waited(slow, "gone")
    assert (entry["aborted"], entry["usage_delivered"], entry["finish_reason"]) == (True, False, None)
    assert 1 <= entry["delivered_tokens"] <= entry["completion_tokens"] < 500


@pytest.mark.parametrize("stream", [False, True])
def test_usage_can_be_missing_or_wrong(server, stream):
    def ask(fault: str) -> dict:
        headers = {"X-Mock-Fault": fault, "X-Request-Id": f"{fault}-{stream}"}
        body = {"input": "Hello", "max_output_tokens": 6, "stream": stream}
        text = server.api.post("/v1/responses", json=body, headers=headers).text
        return json.loads(text.rpartition("data: ")[2])["response"] if stream else json.loads(text)

    assert ask("missing_usage")["usage"] is None
    assert server.entry(f"missing_usage-{stream}")["usage_delivered"] is False
    assert ask("wrong_usage; offset=7")["usage"]["output_tokens"] == 13
    assert server.entry(f"wrong_usage; offset=7-{stream}")["completion_tokens"] == 6


def test_the_end_can_be_missing(server):
    headers = {"X-Mock-Fault": "missing_done", "X-Request-Id": "endless"}
    text = server.api.post("/v1/responses", json={"input": "Hello", "stream": True}, headers=headers).text
    assert "response.output_item.done" in text
    assert "response.completed" not in text
    assert server.entry("endless")["usage_delivered"] is False
