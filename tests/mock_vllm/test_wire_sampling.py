"""Row 17 of real vLLM on the wire: sampling parameters; each test names its row."""

import json
import re

import pytest

from tests.mock_vllm.asking import HELLO, TOOL, chat, error, stream, text

# --- row 17: sampling


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
