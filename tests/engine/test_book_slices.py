"""What the three books say of a failed check, read from a model server and counters that answer over the network."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from harness.client.exchange import Exchange, Request, Usage
from harness.engine import book_slices
from harness.ledger.journal import ADMIN_URL
from harness.outcome import EnvironmentFault
from harness.platforms.platform import Endpoints, Platform

ARRIVED = {"seq": 1, "path": "/v1/chat/completions", "model": "m", "status": 200, "prompt_tokens": 5}
METRICS = """authorized_hits{subscription="mc-1-sub",model="m"} 16
authorized_hits{subscription="somebody-elses",model="m"} 99
limited_calls{subscription="mc-1-sub"} 2
"""


class _Platform(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        address = urlsplit(self.path)
        asked = parse_qs(address.query).get("request_id", [""])[0]
        entries = [ARRIVED | {"request_id": asked, "completion_tokens": 11, "aborted": asked == "broken"}]
        journal = {"entries": [] if asked == "refused" else entries, "next": 2}
        body = METRICS if address.path == "/metrics" else json.dumps(journal)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Platform)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class _Cluster:
    def __init__(self, *urls: str) -> None:
        self.urls = urls

    def objects(self, _: str, kind: str) -> list[dict[str, Any]]:
        assert kind == "Pod"
        return [{"metadata": {}}, *({"metadata": {"annotations": {ADMIN_URL: url}}} for url in self.urls)]


def _exchange(request_id: str, status: int, tokens: int | None, method: str = "POST") -> Exchange:
    usage = None if tokens is None else Usage(prompt_tokens=0, completion_tokens=tokens, total_tokens=tokens)
    request = Request(method, "http://gateway/m", {}, None)
    return Exchange(request_id, request, status, (), b"", (), usage, None, 0.1)


def _platform(url: str, **more: Any) -> Platform:
    endpoints = Endpoints(gateway=url, management=url, metrics=f"{url}/metrics")
    return Platform(target="cluster", stack="installed", endpoints=endpoints, **more)


def test_each_book_says_what_it_knows_of_the_requests_and_the_subscriptions(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_slices, "connected", lambda _: _Cluster(address))
    asked = [_exchange("served", 200, 16), _exchange("refused", 429, None), _exchange("broken", 200, None)]
    books, unread = book_slices.book_slices(_platform(address, kubeconfig=Path("k")), asked, {"mc-1"})
    assert unread == ()
    assert books == {
        "client": (
            "served POST http://gateway/m: 200, 16 tokens",
            "refused POST http://gateway/m: 429, no usage",
            "broken POST http://gateway/m: 200, no usage",
        ),
        "model servers": (
            f"served /v1/chat/completions for m at {address}: 200, 16 tokens",
            f"broken /v1/chat/completions for m at {address}: 200, 16 tokens, broken off",
        ),
        "platform": (
            "authorized_hits{subscription=mc-1-sub, model=m} 16",
            "limited_calls{subscription=mc-1-sub} 2",
        ),
    }


def test_a_server_that_is_gone_is_named_and_hides_no_other(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = "http://127.0.0.1:1"
    monkeypatch.setattr(book_slices, "connected", lambda _: _Cluster(gone, address))
    books, _ = book_slices.book_slices(_platform(address, kubeconfig=Path("k")), [_exchange("served", 200, 16)], ())
    assert set(books["model servers"]) == {
        f"the model server {gone} could not be asked",
        f"served /v1/chat/completions for m at {address}: 200, 16 tokens",
    }


def test_what_a_black_box_does_not_show_is_left_out(address: str) -> None:
    platform = Platform(target="endpoint", stack="installed", endpoints=Endpoints(gateway=address, management=address))
    books, unread = book_slices.book_slices(platform, [_exchange("served", 200, 16)], {"mc-1"})
    assert (list(books), unread) == (["client"], ())


def test_nothing_is_asked_of_model_servers_for_what_generates_nothing(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise AssertionError("nobody had to be asked")

    monkeypatch.setattr(book_slices, "connected", refuse)
    books, _ = book_slices.book_slices(_platform(address, kubeconfig=Path("k")), [_exchange("r", 200, None, "GET")], ())
    assert list(books) == ["client"]


def test_a_book_that_cannot_be_read_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise EnvironmentFault("the Kubernetes API does not answer")

    monkeypatch.setattr(book_slices, "connected", refuse)
    platform = _platform("http://127.0.0.1:1", kubeconfig=Path("k"))
    books, unread = book_slices.book_slices(platform, [_exchange("served", 200, 16)], {"mc-1"})
    assert list(books) == ["client"]
    assert unread[0] == "book of the model servers: the Kubernetes API does not answer"
    assert unread[1].startswith("book of the platform: the counters at http://127.0.0.1:1/metrics cannot be read")
