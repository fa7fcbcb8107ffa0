"""Conversations with a running server, for the tests of the wire: what is asked, and the error that is expected."""

import httpx

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


def complete(server: Running, **body) -> httpx.Response:
    return server.api.post("/v1/completions", json={"prompt": "Say this", **body})


def text(server: Running, **body) -> str:
    return chat(server, **body).json()["choices"][0]["message"]["content"]
