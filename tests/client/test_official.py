"""The official clients as exchanges: against a real server, so that what is judged is what an application meets."""

import subprocess
import sys

import pytest

from harness.client import official
from harness.client.completion import last_counts, text_of
from harness.client.exchange import Exchange
from harness.client.official import RAISES, OfficialCall, OfficialClients
from harness.client.secret import MASK, Secret
from harness.client.trace import REQUEST_ID, TRACEPARENT
from mock_vllm.testing import MockVLLM

KEY = "sk-oai-theOfficialKey_000000000000"
CHAT = {"model": "m", "max_tokens": 12, "messages": [{"role": "user", "content": "Hello"}]}
BODIES = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": {"model": "m", "max_tokens": 12, "prompt": "Hello"},
    "/v1/responses": {"model": "m", "max_output_tokens": 12, "input": "Hello"},
    "/v1/messages": CHAT,
}


@pytest.fixture(scope="module")
def clients():
    made = OfficialClients()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server():
    with MockVLLM("m", api_key=[KEY]) as running:
        yield running


def call(server: MockVLLM, path: str = "/v1/chat/completions", **changes) -> OfficialCall:
    body = {**BODIES[path], **changes.pop("body", {})}
    return OfficialCall(server.url, path, body, **{"credential": Secret(KEY), **changes})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", BODIES)
def test_an_answer_has_its_text_and_counts_in_every_protocol(clients, server, path, stream):
    exchange = clients.send(call(server, path, body={"stream": stream}))
    assert (exchange.status, exchange.raised, exchange.error) == (200, None, None)
    assert exchange.client == ("anthropic" if path == "/v1/messages" else "openai")
    assert text_of(exchange)
    asked_for_usage = path in ("/v1/responses", "/v1/messages") or not stream
    assert (last_counts(exchange) is not None) == asked_for_usage
    assert bool(exchange.events) == stream
    assert (exchange.ttft_s is not None) == stream


def test_the_time_that_a_library_takes_to_load_is_no_part_of_an_answer(clients, server, monkeypatch):
    clock = {"seconds": 0.0}
    load = official.load_library

    def slowly(name):
        clock["seconds"] += 100.0
        return load(name)

    monkeypatch.setattr(official, "load_library", slowly)
    monkeypatch.setattr(official.time, "perf_counter", lambda: clock["seconds"])
    assert clients.send(call(server)).duration_s == 0.0


def test_garbage_is_collected_again_once_a_library_is_loaded():
    script = """
import gc
from harness.client import official

seen = []
official.importlib.import_module = lambda name: seen.append(gc.isenabled())
official.load_library("never_loaded")
seen.append(gc.isenabled())
gc.disable()
official.load_library("never_loaded")
print(seen, gc.isenabled())
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[False, True, False] False"


def test_what_was_sent_is_kept_without_the_credential(clients, server):
    exchange = clients.send(call(server, headers=[("X-Extra", "1")]))
    sent = {name.lower(): value for name, value in exchange.request.headers.items()}
    assert sent["authorization"] == f"Bearer {MASK}"
    assert sent["x-extra"] == "1"
    assert sent[REQUEST_ID.lower()] == exchange.request_id
    assert TRACEPARENT.lower() in sent
    assert b'"max_tokens":12' in exchange.request.body.replace(b" ", b"")
    assert KEY not in repr(exchange)
    [entry] = server.journal(exchange.request_id)
    assert entry["status"] == 200


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("credential", [None, Secret("wrong")])
def test_a_refused_credential_raises_the_documented_error(clients, server, path, credential):
    exchange = clients.send(call(server, path, credential=credential))
    assert (exchange.status, exchange.raised) == (401, "AuthenticationError")
    assert exchange.json()["error"]
    sent = {name.lower() for name in exchange.request.headers}
    assert ("authorization" in sent) == (credential is not None)


@pytest.mark.parametrize("status", sorted(RAISES))
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_each_status_raises_its_error_at_once(clients, server, path, status):
    exchange = clients.send(call(server, path, headers=[("X-Mock-Fault", f"error; status={status}")]))
    assert (exchange.status, exchange.raised) == (status, RAISES[status])
    assert len(server.journal(exchange.request_id)) == 1  # retries would show as further arrivals


@pytest.mark.parametrize("path", BODIES)
def test_a_stream_that_breaks_off_is_an_error(clients, server, path):
    broken = call(server, path, body={"stream": True}, headers=[("X-Mock-Fault", "close; after_tokens=5")])
    exchange = clients.send(broken)
    assert exchange.status == 200
    assert exchange.events
    assert exchange.raised is not None
    assert exchange.error is not None


def test_a_client_may_leave_a_stream(clients, server):
    leaving = call(server, body={"stream": True, "max_tokens": 400}, abort_after=3)
    exchange = clients.send(leaving)
    assert len(exchange.events) == 3
    assert exchange.error == "client abort after 3 events"
    assert exchange.raised is None


def test_nobody_there_is_an_error_of_the_connection(clients):
    seen: list[Exchange] = []
    nowhere = OfficialCall("http://127.0.0.1:1", "/v1/chat/completions", CHAT, credential=Secret(KEY))
    exchange = clients.send(nowhere, observer=seen.append)
    assert (exchange.status, exchange.raised) == (None, "APIConnectionError")
    assert seen == [exchange]


def test_the_environment_of_the_machine_takes_no_part(clients, server, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "another")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    for path in ("/v1/chat/completions", "/v1/messages"):
        exchange = clients.send(call(server, path))
        assert exchange.status == 200
        assert "x-api-key" not in {name.lower() for name in exchange.request.headers}


def test_the_libraries_are_loaded_only_when_they_are_used():
    loaded = "import sys, harness.world.fixtures; print({'openai', 'anthropic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
