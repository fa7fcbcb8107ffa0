"""The embedded API server as a process, for as long as a test needs it; and waiting that names what it waits for."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def eventually(
    condition: Callable[[], bool], what: str, bound_s: float = 60, alive: Callable[[], bool] = lambda: True
) -> None:
    """Wait until a condition holds; a server converges, and a test says how long it may take."""
    deadline = time.monotonic() + bound_s
    while not condition():
        assert alive(), f"ended before {what}"
        assert time.monotonic() < deadline, f"not within {bound_s:g} s: {what}"
        time.sleep(0.01)


@contextmanager
def embedded_api(folder: Path, *options: str) -> Iterator[Path]:
    """The admin kubeconfig of a server that keeps its files in `folder`."""
    ready = folder / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.simulator.kubeapi", "--dir", str(folder), "--ready-file", str(ready), *options]
    )
    try:
        eventually(ready.exists, "the embedded API server is ready", alive=lambda: process.poll() is None)
        yield folder / "admin.kubeconfig"
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextmanager
def given_or_embedded_api(folder: Path, *options: str) -> Iterator[Path]:
    """The kubeconfig of the server that `MAAS_BLACKBOX_KUBECONFIG` names, else of an embedded one."""
    given = os.environ.get("MAAS_BLACKBOX_KUBECONFIG")
    if given:
        yield Path(given)
        return
    with embedded_api(folder, *options) as started:
        yield started
