"""The measuring stick: the smallest ASGI application, which answers every request with one constant, on uvicorn.

`python bare.py PORT KIND SIZE`: KIND json answers SIZE bytes of JSON; KIND sse sends the events read from standard input, one message a
frame as an ASGI application must.
"""

import sys
from typing import Any

import uvicorn


def main() -> None:
    port, kind = int(sys.argv[1]), sys.argv[2]
    if kind == "json":
        body = b'{"text":"' + b"x" * (int(sys.argv[3]) - 11) + b'"}'
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
    else:
        frames = [frame + b"\n\n" for frame in sys.stdin.buffer.read().split(b"\n\n") if frame]
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for frame in frames:
                await send({"type": "http.response.body", "body": frame, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


main()
