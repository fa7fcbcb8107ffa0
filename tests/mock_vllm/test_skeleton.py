"""The server process over the network: replies, journal, faults, readiness."""

import signal
import uuid

import pytest

from tests.mock_vllm.running import Running, events

CHAT = {"model": "shown", "messages": [{"role": "user", "content": "Hello, world"}], "max_tokens": 5}


def test_chat_counts_are_exact_and_journalled(server: Running):
    request_id = uuid.uuid4().hex
    reply = server.api.post(
        "/v1/chat/completions", json=CHAT, headers={"X-Request-Id": request_id, "Authorization": "Bearer s3cret"}
    )
    assert reply.json()["usage"] == {
        "prompt_tokens": 8,
        "total_tokens": 13,
        "completion_tokens": 5,
        "prompt_tokens_details": None,
    }
    entry = server.entry(request_id)
    assert (entry["prompt_tokens"], entry["completion_tokens"], entry["delivered_tokens"]) == (8, 5, 5)
    assert (entry["model"], entry["stream"], entry["status"], entry["aborted"]) == ("shown", False, 200, False)
    assert entry["finish_reason"] == "length"
    assert entry["usage_delivered"] is True
    assert entry["headers"]["authorization"].startswith("sha256:")
    assert "s3cret" not in str(entry)


@pytest.mark.parametrize("include_usage", [True, False])
def test_stream_ends_with_usage_only_when_asked(server: Running, include_usage: bool):
    request_id = uuid.uuid4().hex
    body = CHAT | {"stream": True, "stream_options": {"include_usage": include_usage}}
    reply = server.api.post("/v1/chat/completions", json=body, headers={"X-Request-Id": request_id})
    frames = events(reply.text)
    assert frames[-1] == "[DONE]"
    with_usage = [frame for frame in frames[:-1] if "usage" in frame]
    assert len(with_usage) == (1 if include_usage else 0)
    assert "".join(frame["choices"][0]["delta"]["content"] for frame in frames[:-1] if frame["choices"]).count(" ") >= 3
    assert server.entry(request_id)["usage_delivered"] is include_usage


def test_a_fault_strikes_as_often_as_told(launch):
    server = launch("--seed", "77")
    server.admin.put("/faults", json={"faults": [{"kind": "error", "status": 503, "times": 2}]}).raise_for_status()
    codes = [server.api.post("/v1/chat/completions", json=CHAT).status_code for _ in range(3)]
    assert codes == [503, 503, 200]


def test_the_journal_pages_and_clears(launch):
    server = launch(private=True)
    for _ in range(3):
        server.api.post("/v1/chat/completions", json=CHAT).raise_for_status()
    first = server.admin.get("/journal").json()
    assert [entry["seq"] for entry in first["entries"]] == [1, 2, 3]
    assert first["totals"]["completion_tokens"] == 15
    assert server.admin.get("/journal", params={"since": 3}).json()["entries"][0]["seq"] == 3
    assert server.admin.delete("/journal").status_code == 204
    assert server.admin.get("/journal").json()["entries"] == []
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
