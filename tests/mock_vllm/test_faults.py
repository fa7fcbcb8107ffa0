"""Faults by header, by rule, at run time; each is seen from the client and in the journal."""

import json
import time
import uuid

import httpx
import pytest

from tests.mock_vllm.running import Running, events

CHAT = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6}


def ask(server: Running, fault: str | None = None, **body) -> tuple[httpx.Response, dict]:
    name = uuid.uuid4().hex
    headers = {"X-Request-Id": name} | ({"X-Mock-Fault": fault} if fault else {})
    reply = server.api.post("/v1/chat/completions", json=CHAT | body, headers=headers)
    return reply, server.admin.get("/journal", params={"request_id": name, "wait": "5"}).json()["entries"][0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "BadRequestError"),
        (401, "Unauthorized"),
        (404, "NotFoundError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (501, "NotImplementedError"),
        (503, "ServiceUnavailableError"),
    ],
)
def test_every_http_error(server, status, kind):
    reply, entry = ask(server, f"error; status={status}; message=told so")
    assert reply.status_code == entry["status"] == status
    assert reply.json() == {"error": {"message": "told so", "type": kind, "param": None, "code": status}}
    assert (entry["fault"], entry["completion_tokens"]) == ("error", 0)


def test_the_peers_header(server):
    reply = server.api.post("/v1/chat/completions", json=CHAT, headers={"X-Return-Error": "429"})
    assert reply.status_code == 429


def test_slow_headers(server):
    begin = time.perf_counter()
    reply, _ = ask(server, "slow_headers; seconds=0.2")
    assert time.perf_counter() - begin >= 0.2
    assert reply.status_code == 200


def test_slow_headers_of_a_bad_request(server):
    reply, _ = ask(server, "slow_headers; seconds=0.01", temperature=-1)
    assert reply.status_code == 400


@pytest.mark.parametrize("reset", ["true", "false"])
def test_close_at_a_token(server, reset):
    name = uuid.uuid4().hex
    headers = {"X-Request-Id": name, "X-Mock-Fault": f"close; after_tokens=3; reset={reset}"}
    pieces: list[str] = []
    stream = server.api.stream("POST", "/v1/chat/completions", json=CHAT | {"stream": True}, headers=headers)
    with stream as reply, pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        pieces.extend(reply.iter_text())  # what came before the error stays
    if reset == "false":
        assert "".join(pieces).count('"content":"') == 1 + 3
    entry = server.admin.get("/journal", params={"request_id": name, "wait": "5"}).json()["entries"][0]
    assert (entry["delivered_tokens"], entry["completion_tokens"], entry["aborted"]) == (3, 6, True)


def test_stall_for_a_while(server):
    begin = time.perf_counter()
    reply, entry = ask(server, "stall; after_tokens=2; seconds=0.2", stream=True)
    assert time.perf_counter() - begin >= 0.2
    assert len(events(reply.text)) == 1 + 6 + 1
    assert entry["delivered_tokens"] == 6


def test_stall_for_good(server):
    name = uuid.uuid4().hex
    headers = {"X-Request-Id": name, "X-Mock-Fault": "stall; after_tokens=2"}
    with pytest.raises(httpx.ReadTimeout):
        server.api.post("/v1/chat/completions", json=CHAT | {"stream": True}, headers=headers, timeout=0.3)
    entry = server.admin.get("/journal", params={"request_id": name, "wait": "5"}).json()["entries"][0]
    assert (entry["delivered_tokens"], entry["aborted"]) == (2, True)


def test_malformed_sse(server):
    reply, _ = ask(server, "malformed_sse; after_tokens=2", stream=True)
    assert 'data: {"id": "broken"' in reply.text
    assert reply.text.endswith("data: [DONE]\n\n")
    with pytest.raises(json.JSONDecodeError):
        events(reply.text.replace("event data without a colon\n\n", ""))


@pytest.mark.parametrize("kind", ["truncated_json", "malformed_json"])
def test_broken_json(server, kind):
    reply, entry = ask(server, kind)
    assert reply.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        reply.json()
    assert entry["fault"] == kind


def test_wrong_and_missing_usage(server):
    reply, entry = ask(server, "wrong_usage; offset=10")
    assert reply.json()["usage"]["completion_tokens"] == 16
    assert entry["completion_tokens"] == 6
    reply, entry = ask(server, "missing_usage")
    assert "usage" not in reply.json()
    assert entry["usage_delivered"] is False
    reply, entry = ask(server, "missing_usage", stream=True, stream_options={"include_usage": True})
    assert '"usage"' not in reply.text
    assert entry["usage_delivered"] is False


def test_missing_done(server):
    reply, _ = ask(server, "missing_done", stream=True)
    assert "[DONE]" not in reply.text
    assert '"finish_reason":"length"' in reply.text


@pytest.mark.parametrize("header", ["explode", "error; status=teapot", "error; status=200", "close; when=now"])
def test_a_header_that_is_no_fault(server, header):
    reply = server.api.post("/v1/chat/completions", json=CHAT, headers={"X-Mock-Fault": header})
    assert reply.status_code == 400
    assert "X-Mock-Fault is not a fault" in reply.json()["error"]["message"]


@pytest.fixture
def rules(launch):
    server = launch("--seed", "31")
    yield lambda *wanted: server.admin.put("/faults", json={"faults": list(wanted)}).raise_for_status() and server
    server.admin.put("/faults", json={"faults": []})


def codes(server: Running, count: int, **body) -> list[int]:
    return [server.api.post("/v1/chat/completions", json=CHAT | body).status_code for _ in range(count)]


def test_a_rate_is_exact(rules):
    assert codes(rules({"kind": "error", "status": 503, "rate": 0.25}), 12) == [200, 200, 200, 503] * 3


def test_after_and_times(rules):
    server = rules({"kind": "error", "status": 429, "after": 2, "times": 2})
    assert codes(server, 6) == [200, 200, 429, 429, 200, 200]
    assert server.admin.get("/faults").json()["struck"] == [2]


def test_scopes(rules):
    server = rules(
        {"kind": "error", "status": 501, "model": "alias"},
        {"kind": "error", "status": 502, "stream": True},
        {"kind": "error", "status": 503, "path": "/v1/completions"},
        {"kind": "error", "status": 504, "headers": {"X-Tenant": "a"}},
    )
    assert codes(server, 1) == [200]
    assert codes(server, 1, model="alias") == [501]
    assert codes(server, 1, stream=True) == [502]
    assert server.api.post("/v1/completions", json={"prompt": "x"}).status_code == 503
    assert server.api.post("/v1/chat/completions", json=CHAT, headers={"x-tenant": "a"}).status_code == 504
    assert server.api.post("/v1/chat/completions", json=CHAT, headers={"x-tenant": "b"}).status_code == 200
    assert server.api.get("/health").status_code == 200


def test_rules_that_are_none(server):
    for body in ('{"faults": [{"kind": "nothing"}]}', "[1]", "{", '{"faults": [{"kind": "error", "extra": 1}]}'):
        refused = server.admin.put("/faults", content=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["message"].startswith("faults must be a JSON list of fault rules")


def test_rules_from_the_start(launch):
    server = launch("--faults", '[{"kind": "error", "status": 503}]')
    assert codes(server, 1) == [503]


def test_a_server_that_starts_answers_503(launch):
    server = launch("--startup-duration", "100000")
    assert server.api.get("/health").status_code == 503
    assert codes(server, 1) == [503]


def test_a_start_comes_to_its_end(launch):
    server = launch("--startup-duration", "0.3", private=True)
    deadline = time.monotonic() + 60
    while server.api.get("/health").status_code != 200:
        assert time.monotonic() < deadline
    assert codes(server, 1) == [200]
