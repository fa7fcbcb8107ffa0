"""The 28 behaviours of real vLLM on the wire, row by row; each test names its row."""

import json
import re
import uuid

import httpx
import pytest

from tests.mock_vllm.running import Running, events

HELLO = [{"role": "user", "content": "Hello, world"}]
CHAT = {"messages": HELLO, "max_tokens": 4}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def chat(server: Running, **body) -> httpx.Response:
    return server.api.post("/v1/chat/completions", json={**CHAT, **body})


def stream(server: Running, **body) -> list:
    return events(chat(server, stream=True, **body).text)


def error(reply: httpx.Response, status: int) -> dict:
    assert reply.status_code == status, reply.text
    found = reply.json()["error"]
    assert set(found) == {"message", "type", "param", "code"}
    assert found["code"] == status
    return found


# --- row 1: --api-key


@pytest.fixture(scope="module")
def guarded(launch) -> Running:
    return launch("--api-key", "first-key", "second-key")


@pytest.mark.parametrize("value", ["Bearer first-key", "bearer second-key", "BEARER first-key"])
def test_row_1_any_key_fits_and_the_scheme_has_no_case(guarded, value):
    assert guarded.api.get("/v1/models", headers={"Authorization": value}).status_code == 200


@pytest.mark.parametrize("value", [None, "Bearer wrong", "Basic first-key", "first-key", "Bearer", "Bearer  first-key"])
def test_row_1_other_credentials_are_refused_with_a_string(guarded, value):
    reply = guarded.api.get("/v1/models", headers={} if value is None else {"Authorization": value})
    assert (reply.status_code, reply.text) == (401, '{"error":"Unauthorized"}')


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/x", "/inference/v1/generate"])
def test_row_1_guarded_paths_need_not_exist(guarded, path):
    assert guarded.api.get(path).status_code == 401


@pytest.mark.parametrize("path", ["/health", "/metrics", "/version", "/ping", "/load"])
def test_row_1_the_others_stay_open(guarded, path):
    assert guarded.api.get(path).status_code == 200


def test_row_1_tokenize_stays_open(guarded):
    assert guarded.api.post("/tokenize", json={"prompt": "x"}).status_code == 200


def test_row_1_options_is_exempt(guarded):
    assert guarded.api.options("/v1/models").status_code == 405


# --- rows 2 to 6: errors


def test_row_2_the_error_object(server):
    found = error(chat(server, temperature=-1), 400)
    assert found["type"] == "BadRequestError"
    assert found["param"] == "temperature"
    assert "temperature must be non-negative, got -1" in found["message"]


def test_row_3_a_missing_field(server):
    found = error(server.api.post("/v1/completions", json={"prompt": 5}), 400)
    assert found["type"] == "Bad Request"
    assert found["param"] == "body.prompt"
    assert found["message"].startswith("1 validation error:\n  {'type': ")


def test_row_3_every_wrong_field_is_reported(server):
    found = error(server.api.post("/v1/chat/completions", json={"max_tokens": "many", "stream": []}), 400)
    assert found["message"].startswith("3 validation errors:\n  {")
    for name in ("body.messages", "body.max_tokens", "body.stream"):
        assert name in found["message"]


def test_row_3_broken_json_keeps_the_connection(server):
    with httpx.Client(base_url=server.api.base_url) as client:
        first = client.post(
            "/v1/chat/completions", content=b'{"messages": [', headers={"Content-Type": "application/json"}
        )
        found = error(first, 400)
        assert found["type"] == "Bad Request"
        assert "json_invalid" in found["message"]
        assert "connection" not in first.headers
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_row_3_other_content_types(server, kind):
    reply = server.api.post("/v1/chat/completions", content=json.dumps(CHAT), headers={"Content-Type": kind})
    assert "Only 'application/json' is allowed" in error(reply, 400)["message"]


def test_row_3_a_charset_is_no_other_content_type(server):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert server.api.post("/v1/chat/completions", content=json.dumps(CHAT), headers=headers).status_code == 200


def test_row_4_unknown_model(server):
    found = error(chat(server, model="nobody"), 404)
    assert found == {
        "message": "The model `nobody` does not exist.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }


@pytest.mark.parametrize("body", [{}, {"model": None}])
def test_row_4_no_model_is_the_base_model(server, body):
    assert chat(server, **body).json()["model"] == "shown"


def test_row_5_context_overflow(server):
    found = error(chat(server, max_tokens=32768), 400)
    assert found["param"] == "input_tokens"
    assert found["message"] == (
        "This model's maximum context length is 32768 tokens. However, you requested 32768 output tokens and your prompt contains at "
        "least 8 input tokens, for a total of at least 32776 tokens. Please reduce the length of the input prompt or the number of "
        "requested output tokens. (parameter=input_tokens, value=8)"
    )


def test_row_5_exactly_the_context_fits(launch):
    small = launch("--max-model-len", "64")
    assert chat(small, max_tokens=56).json()["usage"]["total_tokens"] == 64
    assert chat(small, max_tokens=57).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/v1/unknown", 404, "Not Found"),
        ("GET", "/v1/chat/completions", 405, "Method Not Allowed"),
    ],
)
def test_row_6_unknown_path_and_method(server, launch, method, path, status, text):
    found = error(server.api.request(method, path), status)
    assert (found["message"], found["type"]) == (text, text)
    old = launch("--vllm-version", "0.11.0")
    assert old.api.request(method, path).json() == {"detail": text}


# --- row 7: models


def test_row_7_model_cards(server):
    found = server.api.get("/v1/models").json()
    assert found["object"] == "list"
    assert [card["id"] for card in found["data"]] == ["shown", "alias"]
    card = found["data"][0]
    assert set(card) == {"id", "object", "created", "owned_by", "root", "parent", "max_model_len", "permission"}
    assert (card["object"], card["owned_by"], card["root"], card["parent"]) == ("model", "vllm", "test-model", None)
    assert card["max_model_len"] == 32768
    assert card["permission"][0]["object"] == "model_permission"
    assert server.api.get("/v1/models").json()["data"][0]["created"] == card["created"]


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


# --- row 17: sampling


def text(server: Running, **body) -> str:
    return chat(server, **body).json()["choices"][0]["message"]["content"]


def test_row_17_stop_string(server):
    whole = text(server, max_tokens=20)
    words = whole.split(" ")
    stop = f" {words[5]}"
    reply = chat(server, max_tokens=20, stop=[stop]).json()
    choice = reply["choices"][0]
    assert choice["message"]["content"] == whole[: whole.index(stop)]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop)
    kept = text(server, max_tokens=20, stop=[stop], include_stop_str_in_output=True)
    assert kept == whole[: whole.index(stop) + len(stop)]


def test_row_17_a_streamed_stop_string_never_shows(server):
    whole = text(server, max_tokens=20)
    stop = whole[10:16]
    frames = stream(server, max_tokens=20, stop=stop)[1:-1]
    shown = "".join(frame["choices"][0]["delta"]["content"] for frame in frames)
    assert shown == whole[: whole.index(stop)]
    assert frames[-1]["choices"][0]["stop_reason"] == stop


def test_row_17_stop_token_ids(server):
    ids = server.api.post("/tokenize", json={"prompt": text(server, max_tokens=20)}).json()["tokens"]
    reply = chat(server, max_tokens=20, stop_token_ids=[ids[7]]).json()
    first = ids.index(ids[7])
    assert reply["usage"]["completion_tokens"] == first + 1
    assert reply["choices"][0]["stop_reason"] == ids[7]


def test_row_17_min_tokens_holds_a_stop_off(server):
    whole = text(server, max_tokens=20)
    stop = whole[3:6]
    assert chat(server, max_tokens=20, stop=stop, min_tokens=20).json()["usage"]["completion_tokens"] == 20
    assert chat(server, max_tokens=20, stop=stop).json()["usage"]["completion_tokens"] < 4


def test_row_17_min_tokens_and_ignore_eos_lengthen_a_natural_answer(server):
    body = {"messages": HELLO}
    assert server.api.post("/v1/chat/completions", json=body).json()["usage"]["completion_tokens"] == 24
    longer = server.api.post("/v1/chat/completions", json=body | {"min_tokens": 40}).json()
    assert (longer["usage"]["completion_tokens"], longer["choices"][0]["finish_reason"]) == (40, "stop")
    endless = server.api.post("/v1/completions", json={"prompt": "x", "ignore_eos": True}).json()
    assert (endless["usage"]["completion_tokens"], endless["choices"][0]["finish_reason"]) == (16, "length")


def test_row_17_seed(server):
    assert text(server, seed=1) == text(server, seed=1)
    assert text(server, seed=1, max_tokens=20) != text(server, seed=2, max_tokens=20)


def test_row_17_bad_words_and_bias(server):
    whole = text(server, max_tokens=40)
    word = whole.split(" ")[3].strip(".,")
    assert word.lower() not in text(server, max_tokens=40, bad_words=[word]).lower()
    number = server.api.post("/tokenize", json={"prompt": " word"}).json()["tokens"][0]
    assert text(server, logit_bias={str(number): 100}) == " word" * 4
    first = server.api.post("/tokenize", json={"prompt": whole}).json()["tokens"][0]
    banned = server.api.post(
        "/tokenize", json={"prompt": text(server, max_tokens=40, logit_bias={str(first): -100})}
    ).json()["tokens"]
    assert first not in banned


@pytest.mark.parametrize(
    "body",
    [
        {"response_format": {"type": "json_object"}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": TOOL["function"]["parameters"]},
            }
        },
        {"structured_outputs": {"json": TOOL["function"]["parameters"]}},
    ],
)
def test_row_17_structured_outputs_are_json(server, body):
    reply = chat(server, max_tokens=200, **body).json()["choices"][0]
    found = json.loads(reply["message"]["content"])
    assert isinstance(found, dict)
    assert reply["finish_reason"] == "stop"
    if "json_object" not in json.dumps(body):
        assert isinstance(found["city"], str)


def test_row_17_choice_and_regex(server):
    assert text(server, max_tokens=20, structured_outputs={"choice": ["yes", "no"]}) in {"yes", "no"}
    assert re.fullmatch(r"\d{3}-[A-F]{2}", text(server, max_tokens=20, structured_outputs={"regex": r"\d{3}-[A-F]{2}"}))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"top_logprobs": 21, "logprobs": True}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"n": 0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"min_tokens": 9}, "min_tokens"),
        ({"stop": ""}, "stop"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"allowed_token_ids": []}, "allowed_token_ids"),
    ],
)
def test_row_17_out_of_range(server, body, param):
    assert error(chat(server, **body), 400)["param"] == param


def test_row_17_logprobs(server):
    choice = chat(server, logprobs=True, top_logprobs=3).json()["choices"][0]
    content = choice["logprobs"]["content"]
    assert "".join(one["token"] for one in content) == choice["message"]["content"]
    for one in content:
        assert bytes(one["bytes"]).decode() == one["token"]
        assert len(one["top_logprobs"]) == 3
        values = [other["logprob"] for other in one["top_logprobs"]]
        assert values == sorted(values, reverse=True)
        assert one["logprob"] == values[0] < 0
    frames = stream(server, logprobs=True, top_logprobs=3)[1:-1]
    assert [frame["choices"][0]["logprobs"]["content"][0] for frame in frames] == content


# --- rows 18 and 19: lengths and forms of prompts


def complete(server: Running, **body) -> httpx.Response:
    return server.api.post("/v1/completions", json={"prompt": "Say this", **body})


def test_row_18_default_length(server):
    reply = complete(server).json()
    assert reply["usage"]["completion_tokens"] == 16
    assert reply["choices"][0]["finish_reason"] == "length"


def test_row_18_echo(server):
    plain = complete(server, max_tokens=3).json()["choices"][0]["text"]
    assert complete(server, max_tokens=3, echo=True).json()["choices"][0]["text"] == "Say this" + plain
    assert complete(server, max_tokens=0, echo=True).json()["choices"][0]["text"] == "Say this"
    frames = events(complete(server, max_tokens=3, echo=True, stream=True).text)[:-1]
    assert "".join(frame["choices"][0]["text"] for frame in frames) == "Say this" + plain


def test_row_18_max_tokens_0_needs_echo(server):
    assert error(complete(server, max_tokens=0), 400)["param"] == "max_tokens"


def test_row_18_suffix(server):
    assert error(complete(server, suffix="end"), 400)["message"] == "suffix is not currently supported"


def test_row_18_logprobs(server):
    found = complete(server, max_tokens=3, logprobs=2, echo=True).json()["choices"][0]
    logprobs = found["logprobs"]
    assert "".join(logprobs["tokens"]) == found["text"]
    assert logprobs["token_logprobs"][0] is None
    assert all(value < 0 for value in logprobs["token_logprobs"][1:])
    assert [len(one) for one in logprobs["top_logprobs"][1:]] == [2] * (len(logprobs["tokens"]) - 1)
    assert [
        found["text"][offset:].startswith(token)
        for offset, token in zip(logprobs["text_offset"], logprobs["tokens"], strict=True)
    ]


def test_row_18_prompt_logprobs(server):
    found = complete(server, prompt_logprobs=1).json()["choices"][0]["prompt_logprobs"]
    assert found[0] is None
    assert [next(iter(one.values()))["decoded_token"] for one in found[1:]] == [" this"]
    assert error(complete(server, prompt_logprobs=1, stream=True), 400)["param"] == "prompt_logprobs"


def test_row_18_n_and_best_of(server):
    found = complete(server, n=3, max_tokens=12).json()
    assert [choice["index"] for choice in found["choices"]] == [0, 1, 2]
    assert len({choice["text"] for choice in found["choices"]}) == 3
    assert found["usage"]["completion_tokens"] == 36
    assert error(complete(server, n=3, best_of=2), 400)["param"] == "best_of"


def test_row_18_prompts(server):
    one = complete(server, prompt="Say this", max_tokens=6).json()["choices"][0]["text"]
    ids = server.api.post("/tokenize", json={"prompt": "Say this"}).json()["tokens"]
    assert complete(server, prompt=ids, max_tokens=6).json()["choices"][0]["text"] == one
    both = complete(server, prompt=["Say this", "And that"], max_tokens=6).json()
    assert both["choices"][0]["text"] == one
    assert [choice["index"] for choice in both["choices"]] == [0, 1]
    assert both["usage"]["prompt_tokens"] == 4
    assert complete(server, prompt=[ids, ids], max_tokens=6).json()["choices"][1]["text"] == one


@pytest.mark.parametrize("prompt", ["", [], [[]], ["a", 1], [2**31], [-1], None])
def test_row_18_bad_prompts(server, prompt):
    error(complete(server, prompt=prompt), 400)


def test_row_18_token_ids(server):
    found = complete(server, return_token_ids=True, max_tokens=3).json()["choices"][0]
    assert server.api.post("/detokenize", json={"tokens": found["token_ids"]}).json()["prompt"] == found["text"]
    assert server.api.post("/detokenize", json={"tokens": found["prompt_token_ids"]}).json()["prompt"] == "Say this"


def test_row_19_chat_is_limited_by_the_context_alone(launch):
    small = launch("--max-model-len", "20")
    reply = small.api.post("/v1/chat/completions", json={"messages": HELLO}).json()
    assert reply["usage"]["total_tokens"] == 20
    assert reply["choices"][0]["finish_reason"] == "length"


# --- row 20: see test_abort.py


# --- row 21: the other endpoints


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/ping"), ("POST", "/ping"), ("GET", "/load"), ("GET", "/version"), ("GET", "/tokenizer_info")],
)
def test_row_21_small_endpoints(server, method, path):
    assert server.api.request(method, path).status_code == 200


def test_row_21_version(launch):
    assert launch("--vllm-version", "0.11.0").api.get("/version").json() == {"version": "0.11.0"}


# --- row 22: tokenize


def test_row_22_tokenize_and_back(server):
    found = server.api.post("/tokenize", json={"prompt": "Hello, world", "return_token_strs": True}).json()
    assert (found["count"], found["max_model_len"], found["token_strs"]) == (5, 32768, ["Hell", "o", ",", " worl", "d"])
    assert server.api.post("/detokenize", json={"tokens": found["tokens"]}).json() == {"prompt": "Hello, world"}


def test_row_22_a_conversation(server):
    found = server.api.post("/tokenize", json={"messages": HELLO, "return_token_strs": True}).json()
    assert found["count"] == len(found["tokens"]) == chat(server).json()["usage"]["prompt_tokens"]
    assert found["token_strs"] == ["<|user|>", "Hell", "o", ",", " worl", "d", "<|end|>", "<|assistant|>"]
    less = server.api.post("/tokenize", json={"messages": HELLO, "add_generation_prompt": False}).json()
    assert less["count"] == found["count"] - 1
    assert server.api.post("/tokenize", json={"prompt": "x"}).json()["token_strs"] is None


# --- row 23: metrics


def test_row_23_metrics_have_vllms_names_and_true_values(launch):
    server = launch("--seed", "23")
    for _ in range(3):
        chat(server)
    complete(server, n=2, max_tokens=5)
    text = server.api.get("/metrics").text
    labels = 'engine="0",model_name="shown"'
    for line in (
        f"vllm:prompt_tokens_total{{{labels}}} 28.0",
        f"vllm:generation_tokens_total{{{labels}}} 22.0",
        f'vllm:request_success_total{{{labels},finished_reason="length"}} 5.0',
        f'vllm:request_success_total{{{labels},finished_reason="abort"}} 0.0',
        f'vllm:request_params_n_bucket{{{labels},le="1.0"}} 3.0',
        f"vllm:request_generation_tokens_sum{{{labels}}} 22.0",
        f'vllm:request_prompt_tokens_bucket{{{labels},le="10.0"}} 5.0',
        f"vllm:num_requests_running{{{labels}}} 0.0",
        f"vllm:num_preemptions_total{{{labels}}} 0.0",
        f"vllm:time_to_first_token_seconds_count{{{labels}}} 5.0",
    ):
        assert line in text.splitlines(), line
    for name in (
        "vllm:iteration_tokens_total_bucket",
        "http_requests_total",
        "process_resident_memory_bytes",
        "vllm:cache_config_info",
        "vllm:generation_tokens_created",
        "vllm:e2e_request_latency_seconds_created",
    ):
        assert name in text


def test_row_23_the_text_is_valid_exposition(server):
    from prometheus_client.parser import text_string_to_metric_families

    chat(server)
    families = {family.name: family for family in text_string_to_metric_families(server.api.get("/metrics").text)}
    assert families["vllm:prompt_tokens"].type == "counter"
    assert families["vllm:e2e_request_latency_seconds"].type == "histogram"


# --- row 24: development routes


def test_row_24_development_routes_are_hidden(server):
    assert server.api.post("/reset_prefix_cache").status_code == 404


def test_row_24_development_routes_exist_when_asked_for(launch):
    open_server = launch(environment={"VLLM_SERVER_DEV_MODE": "1"})
    assert open_server.api.post("/reset_prefix_cache").status_code == 200


# --- row 25: headers


def test_row_25_headers(server):
    reply = chat(server)
    assert (reply.headers["server"], reply.headers["content-type"]) == ("uvicorn", "application/json")
    assert "x-request-id" not in reply.headers
    assert chat(server, stream=True).headers["content-type"] == "text/event-stream; charset=utf-8"


def test_row_25_request_ids(launch):
    server = launch("--enable-request-id-headers")
    given = server.api.post("/v1/chat/completions", json=CHAT, headers={"X-Request-Id": "abc"})
    assert given.headers["x-request-id"] == "abc"
    assert given.json()["id"] == "chatcmpl-abc"
    assert re.fullmatch(r"[0-9a-f]{32}", chat(server).headers["x-request-id"])
    assert re.fullmatch(r"[0-9a-f]{32}", server.api.get("/nothing").headers["x-request-id"])


def test_row_25_ids(server):
    headers = {"X-Request-Id": 'a"b\\c'}
    assert server.api.post("/v1/chat/completions", json=CHAT, headers=headers).json()["id"] == 'chatcmpl-a"b\\c'
    assert complete(server).json()["id"].startswith("cmpl-")
    assert chat(server, request_id="mine").json()["id"] == "chatcmpl-mine"
    first, second = chat(server).json()["id"], chat(server).json()["id"]
    assert first != second


# --- rows 26 and 27: see test_engine_time.py; row 28: embeddings


def test_row_28_unknown_models_of_embeddings(server):
    reply = server.api.post("/v1/embeddings", json={"model": "nobody", "input": "x"})
    assert reply.status_code == 404


def test_unknown_fields_are_ignored(server):
    reply = chat(server, **{f"field_{uuid.uuid4().hex}": 1})
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["content"] == text(server)


def test_row_21_a_batch_of_conversations(server):
    conversations = [HELLO, [{"role": "user", "content": "Something else"}]]
    body = {"messages": conversations, "max_tokens": 12}
    found = server.api.post("/v1/chat/completions/batch", json=body).json()
    assert [choice["index"] for choice in found["choices"]] == [0, 1]
    for choice, messages in zip(found["choices"], conversations, strict=True):
        assert choice["message"]["content"] == text(server, messages=messages, max_tokens=12)
    assert found["usage"]["completion_tokens"] == 24
    for wrong in ({"stream": True}, {"n": 2}, {"tools": [TOOL]}, {"messages": []}, {"messages": HELLO}):
        error(server.api.post("/v1/chat/completions/batch", json=body | wrong), 400)


def test_row_21_invocations(server):
    assert server.api.post("/invocations", json=CHAT).json()["object"] == "chat.completion"
    assert server.api.post("/invocations", json={"prompt": "x"}).json()["object"] == "text_completion"
    assert "Cannot find suitable handler" in error(server.api.post("/invocations", json={}), 400)["message"]
    error(server.api.post("/invocations", content=b"["), 400)


def test_row_21_audio_is_refused(server):
    found = error(server.api.post("/v1/audio/transcriptions", content=b"..."), 400)
    assert found["message"] == "The model does not support Transcriptions API"
