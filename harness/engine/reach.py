"""Whether anything listens at a URL: the one question that tells a platform that died from one that refuses."""

import socket
from typing import Final
from urllib.parse import urlsplit

PATIENCE_S: Final = 5.0


def answers(url: str) -> bool:
    """Whether a TCP connection can be made to the URL's host within `PATIENCE_S`; no request is sent."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=PATIENCE_S).close()
    except OSError:
        return False
    return True
