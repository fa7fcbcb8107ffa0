"""Servers under measurement, each pinned to one core."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
KEY = "benchmark-key"


def cores() -> tuple[int, set[int]]:
    """The core for servers and the cores for clients."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], set(usable[1:]) or {usable[0]}


def _pinned(command: list[str], core: int) -> list[str]:
    """The command on one core; taskset comes with every Linux that has util-linux."""
    return ["taskset", "-c", str(core), *command]


def _wait(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")


@contextlib.contextmanager
def mock(*options: str, core: int | None = None) -> Iterator[tuple[str, int, int, int]]:
    """A mock server with everything on: (host, port, admin port, pid)."""
    with tempfile.TemporaryDirectory() as directory:
        ready = Path(directory) / "ready"
        command = [
            sys.executable,
            "-m",
            "mock_vllm",
            "serve",
            "bench",
            "--port",
            "0",
            "--admin-port",
            "0",
            "--ready-file",
            str(ready),
            *options,
        ]
        server = subprocess.Popen(_pinned(command, cores()[0] if core is None else core))
        try:
            while not ready.exists():
                if server.poll() is not None:
                    raise SystemExit("the server did not start")
                time.sleep(0.01)
            endpoints = json.loads(ready.read_text())["endpoints"]
            ports = [int(endpoints[name].rpartition(":")[2]) for name in ("api", "admin")]
            yield "127.0.0.1", ports[0], ports[1], server.pid
        finally:
            server.terminate()
            server.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def bare(kind: str, size: int, frames: bytes = b"") -> Iterator[tuple[str, int, int]]:
    """The bare ASGI application on uvicorn: (host, port, pid)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(HERE / "bare.py"), str(port), kind, str(size)]
    server = subprocess.Popen(_pinned(command, cores()[0]), stdin=subprocess.PIPE)
    assert server.stdin is not None
    server.stdin.write(frames)
    server.stdin.close()
    try:
        _wait(port)
        yield "127.0.0.1", port, server.pid
    finally:
        server.terminate()
        server.wait()
