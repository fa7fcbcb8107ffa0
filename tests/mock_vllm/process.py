"""A mock server as a process, for the tests that need a real model server and those of the server itself."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STUCK_S: Final = 120
"""No start and no end takes as long, however busy the machine is."""


@dataclass(frozen=True)
class Served:
    """A process that serves, and the base URLs where it does: `api` and `admin`."""

    process: subprocess.Popen[bytes]
    endpoints: Mapping[str, str]


def serve(directory: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Served:
    """Start one on free ports and wait for its ready file; whoever calls ends it. Fails with its last words when it does not start."""
    ready = directory / f"ready-{time.monotonic_ns()}"
    ports = ("--port", "0", "--admin-port", "0", "--ready-file", str(ready))
    process = subprocess.Popen(
        [sys.executable, "-m", "mock_vllm", "serve", *arguments, *ports],
        env={**os.environ, "MAAS_DIE_WITH_PARENT": "1", **(environment or {})},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + STUCK_S
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"the server did not start: {process.communicate()[1].decode()}")
        time.sleep(0.005)
    return Served(process, json.loads(ready.read_text(encoding="utf-8"))["endpoints"])


@contextmanager
def serving(directory: Path, *arguments: str) -> Iterator[Mapping[str, str]]:
    """The base URLs of one that serves for the length of the block."""
    served = serve(directory, *arguments)
    try:
        yield served.endpoints
    finally:
        served.process.terminate()
        served.process.communicate(timeout=STUCK_S)
