"""Rows 14 to 16 of real vLLM on the wire: tools and reasoning; each test names its row."""

import json

import pytest

from tests.mock_vllm.asking import HELLO, TOOL, chat, error, stream

# --- rows 14 and 15: tools


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"tools": []}, "`tools` must not be an empty array"),
        ({"tool_choice": "auto"}, "When using `tool_choice`, `tools` must be set."),
        ({"tools": [TOOL], "tool_choice": "maybe"}, "Invalid value for `tool_choice`: maybe!"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
            "does not match any of the specified `tools`",
        ),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "Invalid value for `function`"),
    ],
)
def test_row_14_checks(server, body, text):
    assert text in error(chat(server, **body), 400)["message"]


def test_row_14_auto_needs_its_switch(launch):
    strict = launch("--no-enable-auto-tool-choice")
    assert "--enable-auto-tool-choice" in error(chat(strict, tools=[TOOL]), 400)["message"]
    assert chat(strict, tools=[TOOL], tool_choice="required", max_tokens=100).status_code == 200


@pytest.mark.parametrize(
    ("choice", "finish"),
    [
        (None, "tool_calls"),
        ("auto", "tool_calls"),
        ("required", "tool_calls"),
        ({"type": "function", "function": {"name": "weather"}}, "stop"),
    ],
)
def test_row_14_finish_reasons(server, choice, finish):
    body = {"tools": [TOOL], "max_tokens": 100} | ({} if choice is None else {"tool_choice": choice})
    found = chat(server, **body).json()["choices"][0]
    assert found["finish_reason"] == finish
    call = found["message"]["tool_calls"][0]
    assert call["type"] == "function"
    assert call["function"]["name"] == "weather"
    assert isinstance(json.loads(call["function"]["arguments"])["city"], str)


def test_row_14_no_call_for_none_and_after_a_result(server):
    assert chat(server, tools=[TOOL], tool_choice="none").json()["choices"][0]["message"]["tool_calls"] == []
    messages = [*HELLO, {"role": "tool", "content": "22 degrees", "tool_call_id": "x"}]
    answer = chat(server, tools=[TOOL], messages=messages).json()["choices"][0]
    assert answer["message"]["tool_calls"] == []
    assert answer["message"]["content"]


def test_row_15_tool_deltas(server):
    frames = stream(server, tools=[TOOL], max_tokens=100)[1:-1]
    deltas = [frame["choices"][0]["delta"]["tool_calls"][0] for frame in frames]
    assert set(deltas[0]) == {"id", "type", "index", "function"}
    assert set(deltas[0]["function"]) == {"name", "arguments"}
    assert len(deltas) > 1
    for delta in deltas[1:]:
        assert set(delta) == {"index", "function"}
        assert set(delta["function"]) == {"arguments"}
    text = "".join(delta["function"]["arguments"] for delta in deltas)
    assert "city" in json.loads(text)
    assert frames[-1]["choices"][0]["finish_reason"] == "tool_calls"


# --- row 16: reasoning


@pytest.mark.parametrize(("version", "key"), [("0.32.0", "reasoning"), ("0.11.0", "reasoning_content")])
def test_row_16_reasoning_and_its_name(launch, version, key):
    thinking = launch("--reasoning-parser", "qwen3", "--vllm-version", version)
    message = chat(thinking, max_tokens=30).json()["choices"][0]["message"]
    assert message[key]
    assert message["content"]
    deltas = [frame["choices"][0]["delta"] for frame in stream(thinking, max_tokens=30)[1:-1]]
    assert "".join(delta.get(key, "") for delta in deltas) == message[key]
    assert "".join(delta.get("content", "") for delta in deltas) == message["content"]
    assert sum(key in delta for delta in deltas) == 16


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"reasoning_effort": "none"}, 0),
        ({"reasoning_effort": "low"}, 8),
        ({"reasoning_effort": "high"}, 32),
        ({"chat_template_kwargs": {"enable_thinking": False}}, 0),
    ],
)
def test_row_16_effort(launch, body, tokens):
    thinking = launch("--reasoning-parser", "qwen3")
    reply = chat(thinking, max_tokens=50, **body).json()
    assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == tokens
    assert (reply["choices"][0]["message"]["reasoning"] is None) == (tokens == 0)


def test_row_16_reasoning_can_be_left_out(launch):
    thinking = launch("--reasoning-parser", "qwen3")
    shown = chat(thinking, max_tokens=30).json()
    hidden = chat(thinking, max_tokens=30, include_reasoning=False).json()
    assert hidden["choices"][0]["message"]["reasoning"] is None
    assert hidden["choices"][0]["message"]["content"] == shown["choices"][0]["message"]["content"]
    assert hidden["usage"] == shown["usage"]
