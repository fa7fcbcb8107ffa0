"""Discovery of API resources that leaves no file behind."""

import os
from typing import Any

from kubernetes.dynamic.discovery import LazyDiscoverer


class MemoryDiscoverer(LazyDiscoverer):
    """Discovery kept in memory.

    The stock discoverer writes a file into the temporary folder, named after the server's address: with ports of their own choosing two
    runs would read each other's stale discovery, and the file would outlive both.
    """

    def __init__(self, client: Any, cache_file: object) -> None:
        initialise: Any = super().__init__
        initialise(client, f"{os.devnull}/never")

    def _write_cache(self) -> None:
        """Keep nothing on disk."""
