"""Port forwarding: SPDY streams over a WebSocket, to the process behind a stand-in Pod and to nothing else."""

import asyncio
import re
import shutil
import struct
import subprocess
import threading
import zlib
from collections.abc import Awaitable, Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.simulator.kubeapi.forwarding import NoSuchPortError, Tunnel, local_port
from harness.simulator.kubeapi.spdy import Data, Opened, Ping, Session, SpdyError, _dictionary
from tests.kubeapi.connection import connect
from tests.kubeapi.serving import embedded_api


class Client:
    """The other side of a session, as kubectl plays it."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=_dictionary())

    def opening(self, stream: int, **headers: str) -> bytes:
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            block += struct.pack(">I", len(name)) + name.encode() + struct.pack(">I", len(value)) + value.encode()
        raw = struct.pack(">IIH", stream, 0, 0) + self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return struct.pack(">HHI", 0x8003, 1, len(raw)) + raw


def pod(port: int | None, **annotations: str) -> dict[str, Any]:
    given = {"maas-conformance.dev/url": f"http://127.0.0.1:{port}", **annotations} if port else annotations
    container = {"name": "c", "ports": [{"containerPort": 8000}]}
    return {"metadata": {"name": "p", "annotations": given}, "spec": {"containers": [container]}}


def test_frames_may_come_in_any_pieces() -> None:
    sent = (
        Client().opening(1, streamtype="data", port="8000") + Session.data(1, b"hello") + Session.data(1, b"", fin=True)
    )
    session = Session()
    events = [event for byte in sent for event in session.feed(bytes([byte]))]
    assert events == [
        Opened(1, {"streamtype": "data", "port": "8000"}, False),
        Data(1, b"hello", False),
        Data(1, b"", True),
    ]


def test_pings_come_back() -> None:
    ping = Session().pong(7)
    assert list(Session().feed(ping)) == [Ping(7)]


@pytest.mark.parametrize(
    "raw",
    [b"\x80\x02\x00\x01\x00\x00\x00\x00", b"\x80\x03\x00\x01\x00\x00\x00\x02ab", b"\x80\x03\x00\x06\x00\x00\x00\x01a"],
)
def test_other_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(SpdyError):
        list(Session().feed(raw))


def test_a_declared_port_is_the_process_behind_it() -> None:
    assert local_port(pod(41000), 8000) == 41000
    assert local_port(pod(41000), 41000) == 41000
    assert local_port(pod(41000, **{"maas-conformance.dev/admin-url": "http://127.0.0.1:42000"}), 42000) == 42000


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (pod(None), 8000),
        (pod(41000), 22),
        (pod(None, **{"maas-conformance.dev/url": "http://10.0.0.1:80"}), 8000),
        (pod(None, **{"maas-conformance.dev/url": "http://169.254.169.254:80"}), 80),
        (pod(None, **{"maas-conformance.dev/url": "http://127.0.0.1:99999999"}), 8000),
        (pod(None, **{"maas-conformance.dev/url": "nonsense"}), 8000),
    ],
)
def test_nothing_else_is_reached(given: dict[str, Any], asked: int) -> None:
    with pytest.raises(NoSuchPortError):
        local_port(given, asked)


async def conversation(
    given: dict[str, Any], sent: bytes, finished: Callable[[list[Any]], bool]
) -> tuple[bytes, list[Any]]:
    """What a tunnel answers to some bytes, raw and as events, until the test has seen enough."""
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.receive", "bytes": sent})
    raw, events, session = bytearray(), [], Session()

    async def send(message: dict[str, Any]) -> None:
        raw.extend(message.get("bytes") or b"")
        # A reply has the number of a control frame that `feed` passes over; data and pings are what a test looks at.
        events.extend(event for event in session.feed(message.get("bytes") or b"") if not isinstance(event, Opened))
        if message["type"] == "websocket.close" or finished(events):
            incoming.put_nowait({"type": "websocket.disconnect"})

    receive: Callable[[], Awaitable[dict[str, Any]]] = incoming.get
    await asyncio.wait_for(Tunnel(given, receive, send).run(), 10)
    return bytes(raw), events


def ended(stream: int) -> Callable[[list[Any]], bool]:
    return lambda events: any(isinstance(event, Data) and event.stream == stream and event.fin for event in events)


def test_bytes_go_both_ways_and_the_end_is_passed_on() -> None:
    async def run() -> list[Any]:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.read()).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        client = Client()
        sent = client.opening(1, streamtype="error", port="8000", requestid="0") + Session.data(1, b"", fin=True)
        sent += (
            client.opening(3, streamtype="data", port="8000", requestid="0")
            + Session.data(3, b"hello")
            + Session.data(3, b"", fin=True)
        )
        async with server:
            _, events = await conversation(pod(server.sockets[0].getsockname()[1]), sent, ended(3))
        return events

    events = asyncio.run(run())
    assert b"".join(event.payload for event in events if event.stream == 3) == b"HELLO"
    assert Data(1, b"", True) in events


def test_a_port_without_a_process_is_an_error_on_the_error_stream() -> None:
    client = Client()
    sent = client.opening(1, streamtype="error", port="22", requestid="0") + client.opening(
        3, streamtype="data", port="22", requestid="0"
    )
    _, events = asyncio.run(conversation(pod(41000), sent, ended(3)))
    told = b"".join(event.payload for event in events if event.stream == 1).decode()
    assert told.startswith("unable to forward port 22: no process of pod p is behind port 22")


@pytest.mark.parametrize("headers", [{"streamtype": "odd", "port": "1"}, {"streamtype": "data", "port": "x"}, {}])
def test_streams_that_mean_nothing_are_reset(headers: dict[str, str]) -> None:
    sent = Client().opening(1, **headers) + Session().pong(5)
    raw, events = asyncio.run(conversation(pod(41000), sent, lambda events: Ping(5) in events))
    assert raw.startswith(struct.pack(">HHI", 0x8003, 3, 8) + struct.pack(">II", 1, 3))
    assert Ping(5) in events


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_forwards_one_connection_after_another(tmp_path: Path) -> None:
    with embedded_api(tmp_path) as kubeconfig, ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with connect(kubeconfig) as client:
            path = "/api/v1/namespaces/default/pods"
            body = pod(http.server_port)
            body["spec"]["containers"][0]["image"] = "i"
            client.post(path, json=body).raise_for_status()
            running = {"status": {"phase": "Running"}}
            client.patch(
                f"{path}/p/status", json=running, headers={"Content-Type": "application/merge-patch+json"}
            ).raise_for_status()
        command = [
            "kubectl",
            "--kubeconfig",
            str(kubeconfig),
            "port-forward",
            "pod/p",
            ":8000",
            "--address",
            "127.0.0.1",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
            try:
                assert forward.stdout is not None
                port = re.search(r"127\.0\.0\.1:(\d+) -> 8000", forward.stdout.readline())
                assert port is not None
                answers = [httpx.get(f"http://127.0.0.1:{port[1]}/", trust_env=False).status_code for _ in range(5)]
            finally:
                forward.terminate()
        http.shutdown()
    assert answers == [200] * 5
