"""Rows 18 and 19 of real vLLM on the wire: lengths and forms of prompts; each test names its row."""

import pytest

from tests.mock_vllm.asking import HELLO, complete, error
from tests.mock_vllm.running import events

# --- rows 18 and 19: lengths and forms of prompts


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
