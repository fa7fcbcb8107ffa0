"""A server process under test, and how its streams are read."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

BASE = ("serve", "test-model", "--served-model-name", "shown", "alias", "--port", "0", "--admin-port", "0")


@dataclass(frozen=True)
class Running:
    """A server under test: `api` and `admin` are HTTP clients."""

    api: httpx.Client
    admin: httpx.Client
    process: subprocess.Popen[bytes]

    def entry(self, request_id: str) -> dict:
        """The one journal entry of a request id."""
        entries = self.admin.get("/journal", params={"request_id": request_id}).json()["entries"]
        assert len(entries) == 1, entries
        return entries[0]


def start(directory: Path, *options: str, environment: dict[str, str] | None = None) -> Running:
    """Start a server process and wait for its ready file."""
    ready = directory / f"ready-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "mock_vllm", *BASE, "--ready-file", str(ready), *options]
    env = {**os.environ, "MAAS_DIE_WITH_PARENT": "1", **(environment or {})}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise AssertionError(f"the server did not start: {process.communicate()[1].decode()}")
        time.sleep(0.005)
    endpoints = json.loads(ready.read_text())["endpoints"]
    return Running(
        api=httpx.Client(base_url=endpoints["api"], verify=False, timeout=60),
        admin=httpx.Client(base_url=endpoints["admin"], timeout=60),
        process=process,
    )


def events(text: str) -> list:
    """The chunks of an event stream as JSON; `[DONE]` stays a text."""
    frames = [frame for frame in text.split("\n\n") if frame]
    assert all(frame.startswith("data: ") for frame in frames), text
    return [json.loads(frame[6:]) if frame != "data: [DONE]" else "[DONE]" for frame in frames]
