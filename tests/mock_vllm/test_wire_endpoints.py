"""Rows 21 to 28 of real vLLM on the wire: the other endpoints, metrics and headers; each test names its row."""

import re
import uuid

import pytest

from tests.mock_vllm.asking import CHAT, HELLO, TOOL, chat, complete, error, text

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
