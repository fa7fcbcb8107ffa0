"""Whose certificates a client believes."""

import ssl
from pathlib import Path


def trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    """What httpx takes as `verify`: the platform's own CA alone where it has one, else the system's.

    Raises OSError or ssl.SSLError when the file cannot be read or holds no certificate.
    """
    return ssl.create_default_context(cafile=ca_file) if ca_file else True
