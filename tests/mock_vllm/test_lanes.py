"""The express lane and the general path give the same bytes, and the bulk count of tokens is the rule."""

import re
import uuid

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mock_vllm.tokens.builtin import PATTERN, BuiltinTokenizer
from tests.mock_vllm.running import Running

ASCII = st.text(st.characters(max_codepoint=127), max_size=60)


@given(ASCII)
@example("a  bb   ccc\n dddd eeeee  ..  x ")
def test_counting_in_bulk_is_the_rule(text):
    assert BuiltinTokenizer().count(text) == len(PATTERN.findall(text))


def neutral(text: str) -> str:
    return re.sub(r'"created":\d+', '"created":0', text)


def compare(server: Running, body: dict) -> None:
    """Send a request twice: as it is, and with a field that only the general path accepts."""
    seen = []
    for more in ({}, {"general": "path"}):
        name = uuid.uuid4().hex
        reply = server.api.post("/v1/chat/completions", json=body | more, headers={"X-Request-Id": name})
        entry = server.entry(name)
        told = {key: entry[key] for key in entry if key not in ("seq", "request_id", "arrived_at", "headers")}
        seen.append((reply.status_code, neutral(reply.text).replace(name, "ID"), told))
    assert seen[0] == seen[1]


@settings(max_examples=60, deadline=None)
@given(
    contents=st.lists(st.text(max_size=30), min_size=1, max_size=4),
    limit=st.one_of(st.none(), st.integers(-1, 60), st.integers(500, 1100)),
    seed=st.one_of(st.none(), st.integers(-5, 2**31)),
    stream=st.booleans(),
    usage=st.sampled_from([None, {}, {"include_usage": True}, {"include_usage": True, "continuous_usage_stats": True}]),
    model=st.sampled_from([None, "shown", "alias", "unknown"]),
)
def test_both_ways_are_equal(server, contents, limit, seed, stream, usage, model):
    body = {
        "messages": [{"role": "user", "content": text} for text in contents],
        "stream": stream,
        "model": model,
        "seed": seed,
    }
    body |= {"max_tokens": limit} if limit is not None else {}
    body |= {"stream_options": usage} if usage is not None else {}
    compare(server, body)


@pytest.mark.parametrize("path", ["/v1/chat/completions"])
def test_both_ways_are_counted_equally(launch, path):
    texts = []
    for more in ({}, {"general": "path"}):
        server = launch("--seed", "41" if more else "42")
        for limit in (1, 5, 60):
            body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": limit, **more}
            assert server.api.post(path, json=body).status_code == 200
        text = server.api.get("/metrics").text
        texts.append(
            [
                line
                for line in text.splitlines()
                if line.startswith("vllm:") and "_sum" not in line and "_created" not in line
            ]
        )
    assert texts[0] == texts[1]
