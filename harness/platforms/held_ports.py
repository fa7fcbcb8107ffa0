"""Addresses that stay a component's own while it is down: others have them on their command lines."""

import contextlib
import socket
import time
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

RELEASE_BOUND_S: Final = 1.0
"""How long the children of a killed component may take to let its ports go."""
LOOK_INTERVAL_S: Final = 0.01


class HeldPorts:
    """Bound and never listening: callers are refused at once, nobody else gets the port, and the component can bind it beside us."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def hold(self, addresses: Iterable[str]) -> None:
        """Take the ports of these endpoints (URLs or `host:port`), as soon as they are free; one that stays taken is left alone."""
        deadline = time.monotonic() + RELEASE_BOUND_S
        for host, port in {place for text in addresses if (place := _place(text)) is not None}:
            while (held := _bound(host, port)) is None and time.monotonic() < deadline:
                time.sleep(LOOK_INTERVAL_S)
            if held is not None:
                self._sockets.append(held)

    def release(self) -> None:
        """Let them go."""
        for held in self._sockets:
            held.close()
        self._sockets.clear()


def _place(text: str) -> tuple[str, int] | None:
    """Host and port of an announced endpoint; None for what is no address."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(text if "://" in text else f"//{text}")
        if parts.hostname and parts.port:
            return parts.hostname, parts.port
    return None


def _bound(host: str, port: int) -> socket.socket | None:
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    # both: components bind with SO_REUSEADDR, the gateway's own placeholder with SO_REUSEPORT, and either has to be shared
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        held.bind((host, port))
    except OSError:
        held.close()
        return None
    return held
