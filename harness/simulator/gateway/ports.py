"""Ports that stay this process's own while Envoy comes and goes."""

import socket
from collections.abc import Mapping

Endpoint = tuple[str, str, str]


class Ports:
    """Holds each listener's port: bound, never listening, so connections go to Envoy alone, which binds it beside us."""

    def __init__(self, wanted: Mapping[Endpoint, tuple[str, int]]) -> None:
        self._sockets: list[socket.socket] = []
        self.addresses: dict[Endpoint, tuple[str, int]] = {}
        for endpoint, (host, port) in wanted.items():
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            held = socket.socket(family, socket.SOCK_STREAM)
            self._sockets.append(held)
            if port:
                refuse_taken(family, host, port)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                held.bind((host, port))
            except OSError as error:
                raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
            self.addresses[endpoint] = (host, int(held.getsockname()[1]))

    def close(self) -> None:
        """Let the ports go."""
        for held in self._sockets:
            held.close()


def refuse_taken(family: socket.AddressFamily, host: str, port: int) -> None:
    """Raise OSError where another process listens on the port, also one that would share it."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
