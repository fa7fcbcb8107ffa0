"""The series of a controller process, where a scraper reads them."""

import contextlib
import socket
import threading
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, start_http_server

LOOK_S = 0.02


@contextlib.contextmanager
def scraped(registry: CollectorRegistry, bind: tuple[str, int]) -> Iterator[str]:
    """Serve `/metrics` on HOST and PORT (0: a free one) for the length of the block; its URL."""
    host, port = bind
    server, thread = start_http_server(port, host, registry)
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        asked = threading.Thread(target=server.shutdown)
        asked.start()
        while asked.is_alive():  # the server looks up twice a second, and at each caller: half a second of each restart
            with contextlib.suppress(OSError):
                socket.create_connection((host, server.server_port), LOOK_S).close()
            asked.join(LOOK_S)
        server.server_close()
        thread.join()
