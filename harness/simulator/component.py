"""The contract between a component process and whoever starts it: arguments, ready file, signals.

A component binds its sockets first and announces them afterwards. The announcement is one JSON file, replaced atomically, so a
reader sees either nothing or the whole truth: `{"pid": 123, "endpoints": {"api": "https://127.0.0.1:41234"}}`.
"""

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1


def announce(ready_file: Path | None, endpoints: Mapping[str, str]) -> None:
    """Tell the starter that every named endpoint accepts connections now; without a file, tell the terminal."""
    text = json.dumps({"pid": os.getpid(), "endpoints": dict(endpoints)})
    if ready_file is None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        return
    temporary = ready_file.with_suffix(f".{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(ready_file)


def die_with_parent() -> None:
    """Ask Linux to end this process when its starter dies, however it dies; elsewhere the janitor does it later."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; `port` 0 takes a free one. Raises OSError with the address in its text."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named; unnamed, every small answer waits 40 ms.
    server = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((host, port))
    except OSError as error:
        server.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    server.listen(1024)
    server.setblocking(False)
    return server


def address(server: socket.socket) -> str:
    """The `host:port` a listening socket is bound to."""
    name = server.getsockname()
    host, port = str(name[0]), int(name[1])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def place(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` (`[HOST]:PORT` for IPv6). Raises ValueError with what was expected."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"expected HOST:PORT such as 127.0.0.1:0, got {text!r}")
    return host.strip("[]"), int(port)


async def until_stopped() -> None:
    """Return when SIGTERM or SIGINT asks this process to end."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
