"""Rows 8 to 13 of real vLLM on the wire: streams and usage; each test names its row."""

import json

import pytest

from tests.mock_vllm.asking import HELLO, chat, error, stream

# --- rows 8 to 13: streams and usage


def test_row_8_the_first_chunk(server):
    first = stream(server)[0]["choices"][0]
    assert first == {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_row_9_no_usage_key_unless_asked_for(server, path):
    body = {"max_tokens": 4, "stream": True, **({"messages": HELLO} if "chat" in path else {"prompt": "Hello"})}
    assert '"usage"' not in server.api.post(path, json=body).text


def test_row_10_finish_reason_sits_in_the_last_token(server):
    frames = stream(server)[:-1]
    assert len(frames) == 1 + 4
    last = frames[-1]["choices"][0]
    assert last["delta"]["content"]
    assert (last["finish_reason"], last["stop_reason"]) == ("length", None)
    assert all(frame["choices"][0]["finish_reason"] is None for frame in frames[:-1])


def test_row_10_a_chunk_may_carry_several_tokens(launch):
    wide = launch("--stream-interval", "3")
    whole = chat(wide, max_tokens=9).json()["choices"][0]["message"]["content"]
    frames = stream(wide, max_tokens=9)[1:-1]
    pieces = [frame["choices"][0]["delta"]["content"] for frame in frames]
    assert "".join(pieces) == whole
    assert len(pieces) == 4
    assert frames[-1]["choices"][0]["finish_reason"] == "length"


def test_row_11_include_usage(server):
    frames = stream(server, stream_options={"include_usage": True})
    assert frames[-1] == "[DONE]"
    assert frames[-2]["choices"] == []
    assert frames[-2]["usage"] == {"prompt_tokens": 8, "total_tokens": 12, "completion_tokens": 4}


def test_row_11_continuous_usage(server):
    frames = stream(server, stream_options={"include_usage": True, "continuous_usage_stats": True})[:-1]
    assert [frame["usage"]["completion_tokens"] for frame in frames] == [0, 1, 2, 3, 4, 4]
    assert all(frame["usage"]["prompt_tokens"] == 8 for frame in frames)


@pytest.mark.parametrize("options", [{}, {"continuous_usage_stats": True}, {"include_usage": False}])
def test_row_11_other_options_give_no_usage(server, options):
    assert "usage" not in json.dumps(stream(server, stream_options=options))


def test_row_11_forced_usage(launch):
    forced = launch("--enable-force-include-usage")
    assert stream(forced)[-2]["usage"]["completion_tokens"] == 4
    assert stream(forced, stream_options={"include_usage": False})[-2]["usage"]["completion_tokens"] == 4


def test_row_12_usage_of_a_whole_reply(server):
    usage = chat(server).json()["usage"]
    assert usage == {"prompt_tokens": 8, "total_tokens": 12, "completion_tokens": 4, "prompt_tokens_details": None}


def test_row_12_prompt_details_when_enabled(launch):
    cached = launch("--enable-prompt-tokens-details", "--num-gpu-blocks-override", "4096")
    prompt = {"messages": [{"role": "user", "content": "word " * 40}]}
    first = chat(cached, **prompt).json()["usage"]
    second = chat(cached, **prompt).json()["usage"]
    assert first["prompt_tokens_details"] is None
    assert second["prompt_tokens_details"] == {"cached_tokens": second["prompt_tokens"] // 16 * 16}


def test_row_12_reasoning_tokens(launch):
    thinking = launch("--reasoning-parser", "qwen3")
    usage = chat(thinking, max_tokens=30).json()["usage"]
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 16}
    assert usage["completion_tokens"] == 30


def test_row_13_stream_options_without_a_stream(server):
    found = error(chat(server, stream_options={"include_usage": True}), 400)
    assert found["param"] == "stream_options"
    assert "Stream options can only be defined when `stream=True`." in found["message"]
