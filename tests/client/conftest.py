"""A server that answers with exactly the bytes a test wants, and remembers what it was asked."""

import socket
import threading
from collections.abc import Iterator

import pytest


class ScriptedServer:
    """Answers the n-th connection with the n-th script: pieces of bytes, then it closes the connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received: list[bytes] = []
        self.hung_up: list[bool] = []
        self._scripts: list[tuple[bytes, ...]] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def answer(self, *pieces: bytes) -> None:
        self._scripts.append(pieces)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self.received.append(_request(connection))
                try:
                    for piece in script:
                        connection.sendall(piece)
                    self.hung_up.append(False)
                except OSError:
                    self.hung_up.append(True)


def _request(connection: socket.socket) -> bytes:
    taken = b""
    while b"\r\n\r\n" not in taken:
        taken += connection.recv(65536)
    head, _, body = taken.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    yield server
    server.stop()
