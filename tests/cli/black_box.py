"""A platform that listens, never answers, and has nothing that a check may need: judging it starts nothing."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.platforms.platform import Endpoints, Platform


@contextmanager
def black_box(folder: Path) -> Iterator[Path]:
    """Its file, `platform.json` in the folder; it listens for the length of the block."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        path = folder / "platform.json"
        endpoints = Endpoints(gateway=url, management=f"{url}/maas-api")
        Platform(target="endpoint", stack="installed", endpoints=endpoints).save(path)
        yield path
