import re

import pytest

from harness.client.exchange import Usage
from harness.client.measuring import Call, MeasuringClient
from harness.client.secret import Secret
from harness.client.trace import trace_id

KEY = Secret("sk-oai-abcdefghijkl_mnopqrstuvwxyz0123456789")


def http(body: bytes, status: str = "200 OK", kind: str = "application/json", extra: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{extra}connection: close\r\n\r\n".encode()
        + body
    )


def sse(*events: str) -> tuple[bytes, ...]:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    return head, *(f"data: {event}\n\n".encode() for event in events)


@pytest.fixture
def client():
    measuring = MeasuringClient(timeout_s=5)
    yield measuring
    measuring.close()


def test_every_attempt_carries_ids_of_its_own(scripted, client):
    scripted.answer(http(b"{}"))
    scripted.answer(http(b"{}"))
    scripted.start()
    first, second = (client.send(Call("GET", scripted.url)) for _ in range(2))
    sent = [
        dict(line.split(": ", 1) for line in raw.decode().split("\r\n")[1:] if ": " in line)
        for raw in scripted.received
    ]
    assert [headers["X-Request-Id"] for headers in sent] == [first.request_id, second.request_id]
    assert first.request_id != second.request_id
    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", headers["traceparent"]) for headers in sent)
    assert trace_id(first.request.headers["traceparent"]) == first.request_id.replace("-", "")


def test_the_credential_is_sent_and_nothing_that_is_kept_shows_it(scripted, client):
    scripted.answer(http(b"{}"))
    scripted.start()
    exchange = client.send(Call("POST", scripted.url, credential=KEY, json={"model": "m"}))
    assert f"Authorization: Bearer {KEY.reveal()}".encode() in scripted.received[0]
    assert KEY.reveal() not in repr(exchange)
    assert exchange.request.headers["Authorization"] == "Bearer <secret>"


def test_a_refusal_is_one_attempt(scripted, client):
    scripted.answer(http(b"Too Many Requests\n", "429 Too Many Requests", "text/plain"))
    scripted.answer(http(b"{}"))
    scripted.start()
    exchange = client.send(Call("POST", scripted.url, json={}))
    assert exchange.status == 429
    assert len(scripted.received) == 1


def test_no_answer_is_an_exchange_too(scripted, client):
    scripted.answer(b"")
    scripted.start()
    exchange = client.send(Call("GET", scripted.url))
    assert exchange.status is None
    assert "RemoteProtocolError" in (exchange.error or "")
    assert len(scripted.received) == 1


def test_a_redirect_is_not_followed(scripted, client):
    scripted.answer(http(b"", "302 Found", extra=f"location: {scripted.url}/elsewhere\r\n"))
    scripted.start()
    assert client.send(Call("GET", scripted.url)).status == 302


def test_a_header_that_comes_twice_keeps_both_values(scripted, client):
    scripted.answer(
        http(b"", "403 Forbidden", extra="x-ext-auth-reason: not_found\r\nx-ext-auth-reason: Unauthorized\r\n")
    )
    scripted.start()
    exchange = client.send(
        Call("GET", scripted.url, headers=[("X-MaaS-Subscription", "a"), ("X-MaaS-Subscription", "b")])
    )
    assert exchange.header_values("X-Ext-Auth-Reason") == ("not_found", "Unauthorized")
    assert scripted.received[0].count(b"X-MaaS-Subscription: ") == 2
    assert exchange.request.headers["X-MaaS-Subscription"] == "a, b"


def test_a_stream_yields_events_usage_and_the_times_of_text(scripted, client):
    scripted.answer(
        *sse(
            '{"choices":[{"delta":{"role":"assistant","content":""}}]}',
            '{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}',
            '{"choices":[{"delta":{"content":"b"}}]}',
            '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}',
            "[DONE]",
        )
    )
    scripted.start()
    exchange = client.send(Call("POST", scripted.url, json={"stream": True}))
    assert len(exchange.events) == 5
    assert exchange.usage == Usage(3, 2, 5)
    assert len(exchange.text_at) == 2
    assert len(exchange.itl_s) == 1
    assert exchange.ttft_s == exchange.text_at[0] <= exchange.duration_s
    assert exchange.error is None


def test_a_stream_cut_inside_an_event_is_an_error_although_the_status_was_200(scripted, client):
    head, event = sse('{"choices":[{"delta":{"content":"a"}}]}')
    scripted.answer(head, event, b"data: {half")
    scripted.start()
    exchange = client.send(Call("POST", scripted.url, json={}))
    assert exchange.status == 200
    assert exchange.error == "the stream ended inside an event"


def test_an_abort_leaves_after_the_event_asked_for(scripted, client):
    scripted.answer(*sse(*(f'{{"choices":[{{"delta":{{"content":"{index}"}}}}]}}' for index in range(5))))
    scripted.start()
    exchange = client.send(Call("POST", scripted.url, json={}, abort_after=2))
    assert len(exchange.events) == 2
    assert exchange.error == "client abort after 2 events"


def test_the_observer_sees_each_attempt_once(scripted):
    seen = []
    client = MeasuringClient(timeout_s=5, observer=seen.append)
    scripted.answer(http(b"{}"))
    scripted.start()
    exchange = client.send(Call("GET", scripted.url))
    client.close()
    assert seen == [exchange]
