"""The HTTP layer, byte by byte: framing, pipelining, limits, slow and hostile clients."""

import json
import random
import re
import socket
import time

import httptools
import pytest

from mock_vllm.wire.connection import Connection, Hub, Limits
from mock_vllm.wire.exchange import Exchange
from tests.mock_vllm.running import Running

BODY = json.dumps({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}).encode()


def post(body: bytes = BODY, extra: str = "", path: str = "/v1/chat/completions") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{extra}"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


def dial(server: Running) -> socket.socket:
    url = server.api.base_url
    connection = socket.create_connection((url.host, url.port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def everything(connection: socket.socket) -> bytes:
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    return data


def one_reply(connection: socket.socket) -> tuple[int, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head).group(1))
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split(b" ")[1]), body


def statuses(data: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def test_a_connection_is_kept(server):
    with dial(server) as connection:
        for _ in range(3):
            connection.sendall(post())
            assert one_reply(connection)[0] == 200


def test_byte_by_byte(server):
    with dial(server) as connection:
        for byte in post():
            connection.sendall(bytes([byte]))
        assert one_reply(connection)[0] == 200


def test_a_chunked_body(server):
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(BODY[at : at + 7]), BODY[at : at + 7]) for at in range(0, len(BODY), 7))
    with dial(server) as connection:
        connection.sendall(head + chunks + b"0\r\n\r\n")
        assert one_reply(connection)[0] == 200


def test_pipelined_requests_are_answered_in_order(launch):
    server = launch("--time-to-first-token", "20")
    many = b"".join(post(extra=f"X-Request-Id: pipe-{number}\r\n") for number in range(100))
    with dial(server) as connection:
        connection.sendall(many + post(extra="Connection: close\r\nX-Request-Id: pipe-100\r\n"))
        data = everything(connection)
    assert re.findall(rb'"id":"chatcmpl-pipe-(\d+)"', data) == [str(number).encode() for number in range(101)]


def test_a_stream_between_pipelined_requests(server):
    streamed = post(json.dumps(json.loads(BODY) | {"stream": True}).encode())
    with dial(server) as connection:
        connection.sendall(post() + streamed + post(extra="Connection: close\r\n"))
        data = everything(connection)
    assert statuses(data) == [200, 200, 200]
    assert data.index(b"[DONE]") < data.rindex(b"HTTP/1.1 200")


@pytest.mark.parametrize("request_line", [b"POST /v1/chat/completions HTTP/1.0", b"POST /v1/chat/completions HTTP/1.1"])
def test_the_connection_closes_when_asked_to(server, request_line):
    extra = b"Connection: close\r\n" if b"1.1" in request_line else b""
    with dial(server) as connection:
        connection.sendall(request_line + b"\r\n" + extra + post().partition(b"\r\n")[2])
        data = everything(connection)
    assert b"\r\nconnection: close\r\n" in data
    assert statuses(data) == [200]


@pytest.mark.parametrize("delay", ["0", "5"])
def test_a_stream_for_http_1_0_is_not_chunked(launch, delay):
    server = launch("--inter-token-latency", delay)
    streamed = post(json.dumps(json.loads(BODY) | {"stream": True}).encode(), extra="Connection: keep-alive\r\n")
    with dial(server) as connection:
        connection.sendall(streamed.replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


def test_expect_continue(server):
    head, _, body = post(extra="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
    with dial(server) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert one_reply(connection)[0] == 200


def test_head_has_no_body(server):
    with dial(server) as connection:
        connection.sendall(b"HEAD /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = everything(connection)
    assert statuses(data) == [405]
    assert data.endswith(b"\r\n\r\n")


def test_an_upgrade_is_ignored(server):
    with dial(server) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        assert statuses(everything(connection)) == [200]


def test_percent_encoding_and_query(server):
    assert server.api.get("/v1/model%73").status_code == 200
    assert server.api.get("/v1/models?x=1").status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_the_server_lives(server, data):
    with dial(server) as connection:
        connection.sendall(data)
        assert statuses(everything(connection)) == [400]
    assert server.api.get("/health").status_code == 200


@pytest.fixture(scope="module")
def narrow(launch) -> Running:
    return launch(
        "--max-head-bytes", "2000", "--max-body-mb", "0.01", "--timeout-request", "0.5", "--timeout-keep-alive", "0.5"
    )


def test_a_head_that_is_too_large(narrow):
    with dial(narrow) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nX: ")
        for _ in range(30):
            connection.sendall(b"y" * 100)
        assert statuses(everything(connection)) == [431]


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_that_is_too_large(narrow, framing):
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with dial(narrow) as connection:
        if framing == "length":
            connection.sendall(head + b"Content-Length: 20000\r\n\r\n{")
        else:
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 11000 + b"0\r\n\r\n")
        assert statuses(everything(connection)) == [413]


def test_a_client_that_dawdles_is_told_so(narrow):
    with dial(narrow) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert statuses(everything(connection)) == [408]


def test_an_idle_connection_is_closed_in_silence(narrow):
    with dial(narrow) as connection:
        connection.sendall(post())
        assert one_reply(connection)[0] == 200
        assert everything(connection) == b""


# --- fuzzing in this process: thousands of broken conversations a second


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed, "written after the end"
        self.data += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Replies:
    """Reads back what a connection has written."""

    def __init__(self) -> None:
        self.count = 0

    def on_message_complete(self) -> None:
        self.count += 1


def mutate(source: random.Random, data: bytes) -> bytes:
    for _ in range(source.randint(0, 4)):
        at = source.randrange(len(data) + 1)
        action = source.randrange(5)
        if action == 0:
            data = data[:at] + bytes([source.randrange(256)]) + data[at + 1 :]
        elif action == 1:
            data = data[:at] + data[at + source.randint(1, 9) :]
        elif action == 2:
            data = data[:at] + source.randbytes(source.randint(1, 9)) + data[at:]
        elif action == 3:
            data = data[:at] + data[at // 2 : at] + data[at:]
        else:
            data = (
                data[:at]
                + source.choice([b"\r\n", b"\r\n\r\n", b"\0", b"Content-Length: 99\r\n", b"HTTP/1.1"])
                + data[at:]
            )
    return data or b"\n"


SEEDS = [
    post(),
    post(b"{"),
    b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET /x HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
]


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_break_a_connection(seed):
    source = random.Random(seed)
    begun, ended = [], []

    def answer(exchange: Exchange) -> None:
        begun.append(exchange)
        exchange.reply(b"{}")

    hub = Hub(answer, ended.append, time.monotonic, Limits(body=1000, head=500))
    for _ in range(2500):
        wire = Wire()
        connection = Connection(hub)
        connection.connection_made(wire)
        data = b"".join(mutate(source, source.choice(SEEDS)) for _ in range(source.randint(1, 3)))
        while data and not wire.closed:
            step = source.randint(1, len(data))
            connection.data_received(data[:step])
            data = data[step:]
        connection.connection_lost(None)
        written = re.sub(rb"HTTP/1\.1 100 Continue\r\n\r\n", b"", wire.data)
        if written:
            replies = Replies()
            httptools.HttpResponseParser(replies).feed_data(written)
            assert replies.count == len(statuses(written)) >= 1
    assert len(begun) == len(ended) > 100
    assert not hub.connections


def test_broken_bytes_over_the_network_leave_nothing_behind(launch):
    server = launch("--seed", "51", private=True)
    source = random.Random(51)
    for _ in range(300):
        with dial(server) as connection:
            connection.sendall(mutate(source, source.choice(SEEDS)))
    deadline = time.monotonic() + 60
    while server.admin.get("/journal").json()["in_flight"]:
        assert time.monotonic() < deadline
    shown = server.admin.get("/journal").json()
    assert not [entry for entry in shown["entries"] if entry["status"] >= 500]
    assert (
        server.api.post("/v1/chat/completions", content=BODY, headers={"Content-Type": "application/json"}).status_code
        == 200
    )
