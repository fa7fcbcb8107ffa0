"""A model server that costs next to nothing: one fixed answer per request, JSON or SSE, so that the gateway is what is measured.

`python -m benchmarks.gateway.backend READY_FILE`
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, cast

import httptools
import uvloop

from harness.simulator import component

USAGE = {"prompt_tokens": 20, "total_tokens": 36, "completion_tokens": 16}
ANSWER = json.dumps(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "w " * 150},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }
).encode()
JSON_REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER


def stream_reply(tokens: int = 64) -> bytes:
    """A whole stream with usage in every event, in one write."""
    out = [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"]
    for index in range(tokens):
        usage = {"prompt_tokens": 20, "total_tokens": 21 + index, "completion_tokens": index + 1}
        chunk = {"id": "chatcmpl-0", "choices": [{"index": 0, "delta": {"content": "word "}}], "usage": usage}
        event = b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
        out.append(b"%x\r\n%s\r\n" % (len(event), event))
    last = b"data: " + json.dumps({"id": "x", "choices": [], "usage": usage}).encode() + b"\n\ndata: [DONE]\n\n"
    out.append(b"%x\r\n%s\r\n0\r\n\r\n" % (len(last), last))
    return b"".join(out)


STREAM_REPLY = stream_reply()


class Replier(asyncio.Protocol):
    """Answers every complete request on a connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.parser: Any = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.transport.write(STREAM_REPLY if b'"stream":true' in self.body else JSON_REPLY)


async def serve(ready_file: Path) -> None:
    """Serve until asked to stop."""
    listening = component.listen("127.0.0.1", 0)
    await asyncio.get_running_loop().create_server(Replier, sock=listening)
    component.announce(ready_file, {"api": f"http://{component.address(listening)}"})
    await component.until_stopped()


if __name__ == "__main__":
    component.die_with_parent()
    uvloop.run(serve(Path(sys.argv[-1])))
