"""Ports that stay this process's own while Envoy comes and goes."""

import contextlib
import ctypes
import os
import socket
import sys
from collections.abc import Iterable, Mapping

Endpoint = tuple[str, str, str]


class Ports:
    """Holds each listener's port: bound, never listening, so connections go to Envoy alone, which binds it beside us.

    `wanted`: listeners that are known beforehand, which keep their ports for good. `anywhere`: the host on which listeners
    that appear later get a free port each; None refuses them.
    """

    def __init__(self, wanted: Mapping[Endpoint, tuple[str, int]], anywhere: str | None = None) -> None:
        self._anywhere = anywhere
        self._named = frozenset(wanted)
        self._sockets: dict[Endpoint, socket.socket] = {}
        self.addresses: dict[Endpoint, tuple[str, int]] = {}
        for endpoint, (host, port) in wanted.items():
            self._hold(endpoint, host, port)

    def admit(self, found: Mapping[Endpoint, int]) -> tuple[Endpoint, ...]:
        """All listeners to serve: the named ones, and those of `found`, each with a port from now on.

        `found` says which port a listener had before this process was started, 0 for none; it has that again where it is free.
        A listener for which this machine has no more file watches gets none: Envoy, which watches a file for each, would abort.
        """
        wanted = sorted(set(found) - self._named) if self._anywhere is not None else []
        served = [endpoint for endpoint in self.addresses if endpoint in self._named]
        for endpoint in wanted:
            if endpoint not in self.addresses and self._anywhere is not None and can_watch_more():
                self._hold_again(endpoint, self._anywhere, found[endpoint])
            if endpoint in self.addresses:
                served.append(endpoint)
        return tuple(served)

    def release(self, served: Iterable[Endpoint]) -> None:
        """Let go of the ports of listeners that are served no more; call it when Envoy has let go of them too."""
        for endpoint in set(self.addresses) - set(served) - self._named:
            self._sockets.pop(endpoint).close()
            del self.addresses[endpoint]

    def close(self) -> None:
        """Let the ports go."""
        for held in self._sockets.values():
            held.close()

    def _hold_again(self, endpoint: Endpoint, host: str, port: int) -> None:
        if port:
            with contextlib.suppress(OSError):  # somebody else has it by now
                self._hold(endpoint, host, port)
                return
        self._hold(endpoint, host, 0)

    def _hold(self, endpoint: Endpoint, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if port:
            refuse_taken(family, host, port)
        held = socket.socket(family, socket.SOCK_STREAM)
        self._sockets[endpoint] = held
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            held.bind((host, port))
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
        self.addresses[endpoint] = (host, int(held.getsockname()[1]))


def refuse_taken(family: socket.AddressFamily, host: str, port: int) -> None:
    """Raise OSError where another process listens on the port, also one that would share it."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error


def can_watch_more() -> bool:
    """Whether this user may open another inotify instance (128 by default on Linux); other systems have no such limit."""
    if sys.platform != "linux":
        return True
    descriptor = ctypes.CDLL(None, use_errno=True).inotify_init1(os.O_CLOEXEC)
    if descriptor < 0:
        return False
    os.close(descriptor)
    return True
