"""A webhook server over TLS whose answers a test decides."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

RULE = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE", "DELETE"],
    "resources": ["configmaps"],
}
Decide = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Controller:
    """A webhook server whose answers a test decides."""

    port: int
    bundle: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    decide: Decide = lambda _request: {"allowed": True}
    hang_ups: int = 0
    """So many calls to come are answered with nothing but the end of the connection."""

    def hook(self, **settings: Any) -> dict[str, Any]:
        """A webhook that points here."""
        config = {"url": f"https://127.0.0.1:{self.port}/check", "caBundle": self.bundle}
        base = {
            "name": "check.example.com",
            "clientConfig": config,
            "rules": [RULE],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        return {"metadata": {"name": "check"}, "webhooks": [base | settings]}


@contextmanager
def listening() -> Iterator[Controller]:
    """A controller that listens for as long as the block lasts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "hooks.default.svc").configure_cert(context)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if found.hang_ups:
                found.hang_ups -= 1
                self.close_connection = True
                return
            found.seen.append(review["request"])
            response = {"uid": review["request"]["uid"], **found.decide(review["request"])}
            body = json.dumps({**{k: review[k] for k in ("apiVersion", "kind")}, "response": response}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    found = Controller(server.server_port, base64.b64encode(authority.cert_pem.bytes()).decode())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
