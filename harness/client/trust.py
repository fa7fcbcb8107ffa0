"""Whose certificates a client believes."""

import functools
import ssl
from pathlib import Path

import httpx


def trust(ca_file: Path | None = None) -> ssl.SSLContext:
    """What httpx takes as `verify`: the platform's own CA alone where it has one, else those that httpx ships.

    Clients share contexts: to make one reads every certificate, which costs more than ten requests do. A file that was changed is read
    again. Raises OSError or ssl.SSLError when the file cannot be read or holds no certificate.
    """
    if ca_file is None:
        return _public()
    state = ca_file.stat()
    return _of_file(ca_file, state.st_mtime_ns, state.st_size)


@functools.cache
def _public() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


@functools.lru_cache(maxsize=16)
def _of_file(ca_file: Path, _changed_ns: int, _size: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)
