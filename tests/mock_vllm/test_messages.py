"""/v1/messages and /v1/messages/count_tokens on the wire."""

import json

import httpx
import pytest

from tests.mock_vllm.running import Running

HELLO = [{"role": "user", "content": "Hello, world"}]
BODY = {"model": "shown", "messages": HELLO, "max_tokens": 6}
TOOL = {"name": "weather", "input_schema": {"properties": {"city": {"type": "string"}}, "required": ["city"]}}


def ask(server: Running, path: str = "", headers: dict[str, str] | None = None, **body) -> httpx.Response:
    return server.api.post(f"/v1/messages{path}", json={**BODY, **body}, headers=headers)


def stream(server: Running, **body) -> list[dict]:
    """The data of each event; its name is the data's type, and `[DONE]` never comes."""
    found = []
    for frame in ask(server, stream=True, **body).text.removesuffix("\n\n").split("\n\n"):
        name, data = frame.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def counted(server: Running, **body) -> int:
    reply = ask(server, "/count_tokens", **body).json()
    assert reply == {
        "input_tokens": reply["input_tokens"],
        "context_management": {"original_input_tokens": reply["input_tokens"]},
    }
    return reply["input_tokens"]


def test_tokens_are_those_of_chat(server):
    chat = server.api.post("/v1/chat/completions", json=BODY).json()
    found = ask(server).json()
    assert found["content"] == [{"type": "text", "text": chat["choices"][0]["message"]["content"]}]
    assert found["usage"] == {"input_tokens": chat["usage"]["prompt_tokens"], "output_tokens": 6}


def test_the_events_of_a_text(server):
    whole = ask(server).json()
    found = stream(server)
    assert [event["type"] for event in found] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 6,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start = found[0]["message"]
    assert (start["content"], start["stop_reason"]) == ([], None)
    assert start["usage"] == {"input_tokens": 8, "output_tokens": 0}
    assert "".join(event["delta"]["text"] for event in found[2:8]) == whole["content"][0]["text"]
    assert found[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
        "usage": {"input_tokens": 8, "output_tokens": 6},
    }


def test_the_events_of_a_tool(server):
    whole = ask(server, tools=[TOOL], max_tokens=100).json()["content"]
    found = stream(server, tools=[TOOL], max_tokens=100)
    start = next(event for event in found if event["type"] == "content_block_start")
    assert (start["content_block"]["type"], start["content_block"]["input"]) == ("tool_use", {})
    text = "".join(event["delta"]["partial_json"] for event in found if event["type"] == "content_block_delta")
    assert json.loads(text) == whole[0]["input"]
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_stream_interval(launch):
    server = launch("--stream-interval", "3")
    found = stream(server, max_tokens=9)
    deltas = [event["delta"]["text"] for event in found if event["type"] == "content_block_delta"]
    assert len(deltas) == 4  # 1, 3, 3 and 2 tokens
    assert "".join(deltas) == ask(server, max_tokens=9).json()["content"][0]["text"]


def test_thinking_is_signed_whole_and_streamed(launch):
    server = launch("--reasoning-parser", "qwen3")
    whole = ask(server, max_tokens=20, headers={"X-Request-Id": "signed"}).json()["content"]
    assert [block["type"] for block in whole] == ["thinking", "text"]
    found = stream(server, max_tokens=20, headers={"X-Request-Id": "signed"})
    deltas = [event["delta"] for event in found if event["type"] == "content_block_delta" and event["index"] == 0]
    assert [delta["type"] for delta in deltas] == ["thinking_delta"] * 16 + ["signature_delta"]
    assert deltas[-1]["signature"] == whole[0]["signature"]
    assert len(whole[0]["signature"]) == 32


def test_effort(launch):
    server = launch("--reasoning-parser", "qwen3")
    found = stream(server, max_tokens=20, output_config={"effort": "low"})
    kinds = [event["delta"]["type"] for event in found if event["type"] == "content_block_delta"]
    assert (kinds.count("thinking_delta"), kinds.count("text_delta")) == (8, 12)


def test_output_of_a_schema(server):
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    config = {"format": {"type": "json_schema", "schema": schema}}
    found = ask(server, max_tokens=100, output_config=config).json()
    assert isinstance(json.loads(found["content"][0]["text"])["age"], int)


def test_a_tool_result_is_followed_by_text(server):
    use = ask(server, tools=[TOOL], max_tokens=100).json()["content"][0]
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": [{"type": "text", "text": "22 degrees"}]}
    conversation = [*HELLO, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    found = ask(server, messages=conversation, tools=[TOOL]).json()
    assert found["content"][0]["type"] == "text"


def test_one_tool_at_a_time(server):
    tools = [TOOL, {**TOOL, "name": "traffic"}]
    messages = [{"role": "user", "content": "weather and traffic"}]
    both = ask(server, messages=messages, tools=tools, max_tokens=100).json()["content"]
    assert [block["name"] for block in both] == ["weather", "traffic"]
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    one = ask(server, messages=messages, tools=tools, max_tokens=100, tool_choice=choice).json()["content"]
    assert [block["name"] for block in one] == ["weather"]


# 1 for the whole, 2 for each message, then the tokens of its text
@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({}, 8),
        ({"system": "Be brief"}, 13),
        ({"system": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief"}]}, 13),
        ({"messages": [{"role": "system", "content": "Be brief"}, *HELLO]}, 13),
        ({"messages": [{"role": "ctx", "content": "Hello, world"}]}, 8),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello, world"}]}]}, 8),
        ({"messages": [*HELLO, {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"}]}]}, 8),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "u"}}]}]}, 67),
    ],
)
def test_count_tokens_is_what_a_message_costs(server, body, tokens):
    assert counted(server, **body) == tokens
    assert ask(server, **body).json()["usage"]["input_tokens"] == tokens


def test_images_in_a_tool_result_are_a_message_of_their_own(server):
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {}}]}
    assert counted(server, messages=[{"role": "user", "content": [result]}]) == 1 + 2 + (2 + 64)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"model": None}, 400, "body.model"),
        ({"model": ""}, 400, "body.model"),
        ({"model": "nobody"}, 404, "The model `nobody` does not exist."),
        ({"max_tokens": 0}, 400, "max_tokens must be at least 1"),
        ({"max_tokens": 10**6}, 400, "maximum context length"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "body.messages.0.role"),
        ({"temperature": -1}, 400, "temperature must be non-negative"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, 400, "tool_choice.name is required"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "other"}}, 400, "does not match any"),
        ({"stop_sequences": [""]}, 400, "stop cannot contain an empty string"),
    ],
)
def test_refusals_have_the_shape_of_this_api(server, body, status, text):
    found = ask(server, **body)
    assert found.status_code == status
    assert (found.json()["type"], set(found.json()["error"])) == ("error", {"type", "message"})
    assert text in found.json()["error"]["message"]


# --- the journal, and faults


@pytest.mark.parametrize("streamed", [False, True])
def test_the_journal_of_a_message(server, streamed):
    ask(server, headers={"X-Request-Id": f"message-{streamed}"}, stream=streamed)
    entry = server.entry(f"message-{streamed}")
    counts = {name: entry[name] for name in ("prompt_tokens", "completion_tokens", "delivered_tokens")}
    assert counts == {"prompt_tokens": 8, "completion_tokens": 6, "delivered_tokens": 6}
    assert (entry["usage_delivered"], entry["finish_reason"], entry["stream"]) == (True, "length", streamed)


def test_a_count_generates_nothing(server):
    ask(server, "/count_tokens", headers={"X-Request-Id": "counted"})
    entry = server.entry("counted")
    assert (entry["prompt_tokens"], entry["completion_tokens"], entry["usage_delivered"]) == (8, 0, False)


def test_a_stream_that_is_left_is_journalled(launch):
    server = launch("--time-to-first-token", "20", "--inter-token-latency", "5")
    body = {**BODY, "max_tokens": 500, "stream": True}
    with server.api.stream("POST", "/v1/messages", json=body, headers={"X-Request-Id": "gone-message"}) as reply:
        for line in reply.iter_lines():
            if line == "event: content_block_delta":
                break
    found = server.admin.get("/journal", params={"request_id": "gone-message", "wait": "10"}).json()["entries"][0]
    assert (found["aborted"], found["usage_delivered"], found["finish_reason"]) == (True, False, None)
    assert 1 <= found["delivered_tokens"] <= found["completion_tokens"] < 500


@pytest.mark.parametrize("streamed", [False, True])
def test_usage_can_be_missing_or_wrong(server, streamed):
    def told(fault: str) -> dict:
        headers = {"X-Mock-Fault": fault, "X-Request-Id": f"message-{fault}-{streamed}"}
        if streamed:
            return next(event for event in stream(server, headers=headers) if event["type"] == "message_delta")
        return ask(server, headers=headers).json()

    assert "usage" not in told("missing_usage")
    assert server.entry(f"message-missing_usage-{streamed}")["usage_delivered"] is False
    assert told("wrong_usage; offset=7")["usage"]["output_tokens"] == 13
    assert server.entry(f"message-wrong_usage; offset=7-{streamed}")["completion_tokens"] == 6


def test_the_end_can_be_missing(server):
    assert [event["type"] for event in stream(server, headers={"X-Mock-Fault": "missing_done"})][-1] == "message_delta"
