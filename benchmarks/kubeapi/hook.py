"""A webhook that allows everything and keeps its connections open, as the controller's does."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trustme

Json = dict[str, Any]
RULE = {
    "apiGroups": ["maas.opendatahub.io"],
    "apiVersions": ["v1alpha1"],
    "operations": ["CREATE"],
    "resources": ["maassubscriptions", "maasauthpolicies"],
}


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            at = head.index(b"content-length:") + 15
            review = json.loads(await reader.readexactly(int(head[at : head.index(b"\r\n", at)])))
            verdict = {"uid": review["request"]["uid"], "allowed": True}
            body = json.dumps({**{k: review[k] for k in ("apiVersion", "kind")}, "response": verdict}).encode()
            told = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(told.encode() + body)
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        writer.close()  # the server has gone, or the measurement is over


@asynccontextmanager
async def allowing() -> AsyncIterator[Json]:
    """The configuration that registers the webhook, for as long as the block lasts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
    hook = {
        "name": "check.example.com",
        "clientConfig": {"url": f"https://127.0.0.1:{port}/check", "caBundle": bundle},
        "rules": [RULE],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    try:
        yield {"metadata": {"name": "check"}, "webhooks": [hook]}
    finally:
        server.close()
