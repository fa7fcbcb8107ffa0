"""Any JSON to any endpoint gets a reply that is no fault of the server: in this process, thousands of bodies."""

import json
import time

import httptools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_vllm.anthropic.requests import MessagesRequest
from mock_vllm.app import App
from mock_vllm.endpoints.embeddings import EmbeddingRequest
from mock_vllm.endpoints.scoring import RerankRequest, ScoreRequest
from mock_vllm.engine.clock import CheapClock
from mock_vllm.openai.requests import ChatRequest, CompletionRequest
from mock_vllm.responses.requests import ResponsesRequest
from mock_vllm.settings import Settings
from mock_vllm.wire.connection import Connection, Hub
from tests.mock_vllm.test_wire import Wire, statuses

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-2, 40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "x"])},
    optional={
        "content": st.one_of(
            st.text(max_size=8),
            st.lists(
                st.one_of(
                    st.fixed_dictionaries({"type": st.just("text"), "text": ANYTHING}),
                    st.dictionaries(st.text(max_size=4), ANYTHING, max_size=2),
                ),
                max_size=2,
            ),
            ANYTHING,
        ),
        "tool_calls": ANYTHING,
    },
)
TOOL = st.fixed_dictionaries(
    {
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {"name": st.text(max_size=5)},
            optional={
                "parameters": st.dictionaries(
                    st.sampled_from(["type", "properties", "required", "enum", "$ref", "anyOf"]), ANYTHING, max_size=3
                )
            },
        ),
    }
)
BLOCK = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                "text",
                "tool_use",
                "tool_result",
                "image",
                "message",
                "function_call",
                "function_call_output",
                "reasoning",
            ]
        )
    },
    optional=dict.fromkeys(
        ("text", "id", "name", "input", "content", "role", "arguments", "output", "call_id", "tool_use_id"), ANYTHING
    ),
)
LIKELY = {
    "input": st.one_of(st.text(max_size=9), st.lists(BLOCK, max_size=3), st.lists(st.text(max_size=4), max_size=3)),
    "system": st.one_of(st.text(max_size=5), st.lists(BLOCK, max_size=2)),
    "text_1": st.one_of(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=2)),
    "text_2": st.one_of(st.text(max_size=5), st.lists(st.text(max_size=5), max_size=2)),
    "query": st.text(max_size=5),
    "documents": st.lists(st.one_of(st.text(max_size=5), st.dictionaries(st.just("text"), ANYTHING)), max_size=3),
    "messages": st.lists(MESSAGE, max_size=3),
    "prompt": st.one_of(
        st.text(max_size=9), st.lists(st.text(max_size=3), max_size=3), st.lists(st.integers(-1, 2**28), max_size=3)
    ),
    "model": st.sampled_from([None, "m", "unknown"]),
    "stream": st.booleans(),
    "max_tokens": st.integers(0, 50),
    "n": st.integers(0, 4),
    "stop": st.one_of(st.text(max_size=2), st.lists(st.text(max_size=2), max_size=3)),
    "stop_token_ids": st.lists(st.integers(-5, 2**28), max_size=3),
    "tools": st.lists(TOOL, max_size=2),
    "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "a"}}, 5]),
    "response_format": st.one_of(
        st.just({"type": "json_object"}),
        st.fixed_dictionaries(
            {
                "type": st.just("json_schema"),
                "json_schema": st.fixed_dictionaries({"name": st.just("s"), "schema": ANYTHING}),
            }
        ),
    ),
    "structured_outputs": st.dictionaries(
        st.sampled_from(["json", "regex", "choice", "grammar"]), ANYTHING, max_size=2
    ),
    "logit_bias": st.dictionaries(
        st.sampled_from(["1", "300", "x", "99999999999"]), st.integers(-100, 100), max_size=2
    ),
    "logprobs": st.one_of(st.booleans(), st.integers(-1, 25)),
    "top_logprobs": st.integers(-2, 22),
    "stream_options": st.dictionaries(st.sampled_from(["include_usage", "continuous_usage_stats"]), st.booleans()),
}
BODIES = (
    ChatRequest,
    CompletionRequest,
    MessagesRequest,
    ResponsesRequest,
    EmbeddingRequest,
    RerankRequest,
    ScoreRequest,
)
FIELDS = sorted({name for body in BODIES for name in body.__struct_fields__})
BODY = st.fixed_dictionaries(
    {}, optional={name: st.one_of(LIKELY[name], ANYTHING) if name in LIKELY else ANYTHING for name in FIELDS}
)
PATHS = [
    *(
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/chat/completions/batch",
        "/invocations",
        "/tokenize",
        "/detokenize",
    ),
    *("/v1/responses", "/v1/messages", "/v1/messages/count_tokens"),
    *("/v1/embeddings", "/pooling", "/score", "/rerank", "/classify"),
]


@pytest.fixture(
    scope="module",
    params=[
        {},
        {"reasoning_parser": "x", "stream_interval": 2, "num_gpu_blocks_override": 3000},
        {"runner": "pooling"},
    ],
    ids=["plain", "loaded", "pooling"],
)
def hub(request) -> Hub:
    app = App(Settings(model="m", max_model_len=300, **request.param), CheapClock())
    return Hub(app.handle, app.ended, time.monotonic)


def ask(hub: Hub, path: str, body: bytes) -> int:
    wire = Wire()
    connection = Connection(hub)
    connection.connection_made(wire)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.data_received(head.encode() + body)
    done = []

    class Reader:
        def on_message_complete(self) -> None:
            done.append(True)

    httptools.HttpResponseParser(Reader()).feed_data(wire.data)
    assert done == [True], (body, wire.data)
    connection.connection_lost(None)
    return statuses(wire.data)[0]


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PATHS), BODY)
def test_no_body_is_a_fault_of_the_server(hub, path, body):
    status = ask(hub, path, json.dumps(body).encode())
    assert status in (200, 400, 404), body


NEEDED = {name: LIKELY[name] for name in ("messages", "prompt", "input", "text_1", "text_2", "query", "documents")}
OTHERS = {name: value for name, value in LIKELY.items() if name not in NEEDED}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PATHS), st.fixed_dictionaries(NEEDED, optional=OTHERS))
def test_no_likely_body_is_a_fault_of_the_server(hub, path, body):
    assert ask(hub, path, json.dumps(body).encode()) in (200, 400, 404), body


@given(st.sampled_from(PATHS), st.binary(max_size=40))
def test_no_bytes_are_a_fault_of_the_server(hub, path, body):
    assert ask(hub, path, body) == 400


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"max_tokens": 1e400}',
        b'{"prompt": "x", "seed": 18446744073709551616}',
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_bodies_that_have_broken_parsers(hub, path, body):
    assert ask(hub, path, body) in (200, 400)
