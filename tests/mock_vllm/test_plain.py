"""Requests that are read without the parser read as the parser reads them."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mock_vllm.wire.connection import METHODS, Connection, Hub, Limits
from mock_vllm.wire.exchange import Exchange
from mock_vllm.wire.plain import REMEMBERED, Plain

PATHS = ("/v1/models", "/v1/chat/completions")
LIMIT = 100


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.data = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False


def seen(paths: tuple[str, ...], packets: list[bytes]) -> list[object]:
    """What a connection makes of packets: its requests and what it does; without known paths everything goes through the parser."""
    found: list[object] = []

    def answer(exchange: Exchange) -> None:
        found.append(
            (exchange.method, exchange.path, exchange.headers, exchange.body, exchange.keep_alive, exchange.query)
        )
        exchange.reply(b"{}")

    wire = Wire()
    connection = Connection(Hub(answer, lambda _: None, time.monotonic, Limits(body=LIMIT), paths=paths))
    connection.connection_made(wire)
    for packet in packets:
        if not wire.closed:
            connection.data_received(packet)
    written = b"\r\n".join(line for line in wire.data.split(b"\r\n") if not line.startswith(b"date: "))
    return [*found, written, wire.closed]


LINES = st.sampled_from(
    [
        "POST /v1/chat/completions HTTP/1.1",
        "GET /v1/models HTTP/1.1",
        "GET /v1/models HTTP/1.0",
        "GET /v1/models?x=1 HTTP/1.1",
    ]
)
NAMES = st.sampled_from(
    ["Host", "X-A", "x-a", "Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "X A", "X:", ""]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            "0",
            "3",
            "03",
            "+3",
            " 3",
            "3 ",
            "3,3",
            "chunked",
            "keep-alive",
            "Keep-Alive",
            "close",
            "100-continue",
            "h2c",
            "",
            "a: b",
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=6),
)
GAPS = st.sampled_from([": ", ":", " : ", ":\t", ":  "])
ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n "])
FIELDS = st.lists(st.tuples(NAMES, GAPS, VALUES, ENDS).map("".join), max_size=4).map("".join)
BODIES = st.sampled_from(["", "abc", "abcd", "abcGET /v1/models HTTP/1.1\r\n\r\n", "\r\n", "a" * 101])
PACKET = st.tuples(LINES, st.just("\r\n"), FIELDS, st.just("\r\n"), BODIES).map(
    lambda parts: "".join(parts).encode("latin-1")
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(PACKET, min_size=1, max_size=3))
@example([b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc"] * 2)
@example([b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"])
@example([b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 101\r\n\r\n" + b"a" * 101])
@example([b"GET /v1/models HTTP/1.1\r\nX-A: b\nTransfer-Encoding: chunked\r\n\r\n"])
@example([b"GET /v1/models HTTP/1.1\r\nX-A: b\r\n c: d\r\n\r\n"])
def test_it_reads_as_the_parser_does(packets):
    assert seen(PATHS, packets) == seen((), packets)


def test_a_clean_request_needs_no_parser():
    packet = b"POST /v1/models HTTP/1.1\r\nHost: x\r\nX-Request-Id: 7\r\nContent-Length: 3\r\n\r\nabc"
    head = packet[: -len(b"\r\n\r\nabc")]
    headers = {b"host": b"x", b"x-request-id": b"7", b"content-length": b"3"}
    assert Plain(METHODS, PATHS, LIMIT).read(packet) == ("POST", b"/v1/models", "/v1/models", headers, head, b"abc")


@pytest.mark.parametrize(
    "field",
    [
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Expect: 100-continue",
        "Upgrade: h2c",
        "Content-Length: +0",
        "X-A: \x00",
        "X-A : b",
        " X-A: b",
    ],
)
def test_what_concerns_the_framing_is_left_to_the_parser(field):
    assert Plain(METHODS, PATHS, LIMIT).read(f"GET /v1/models HTTP/1.1\r\n{field}\r\n\r\n".encode()) is None


def test_fields_that_never_come_again_do_not_pile_up():
    plain = Plain(METHODS, PATHS, LIMIT)
    for number in range(3 * REMEMBERED):
        found = plain.read(b"GET /v1/models HTTP/1.1\r\nX-Number: %d\r\n\r\n" % number)
        assert found is not None
        assert found[3] == {b"x-number": b"%d" % number}
    assert len(plain._field.__self__) <= REMEMBERED  # how much is held shows nowhere else
