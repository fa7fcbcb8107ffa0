"""A server process under test, and how its streams are read."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.mock_vllm.process import serve

BASE = ("test-model", "--served-model-name", "shown", "alias")


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
    served = serve(directory, *BASE, *options, environment=environment)
    return Running(
        api=httpx.Client(base_url=served.endpoints["api"], verify=False, timeout=60),
        admin=httpx.Client(base_url=served.endpoints["admin"], timeout=60),
        process=served.process,
    )


def events(text: str) -> list:
    """The chunks of an event stream as JSON; `[DONE]` stays a text."""
    frames = [frame for frame in text.split("\n\n") if frame]
    assert all(frame.startswith("data: ") for frame in frames), text
    return [json.loads(frame[6:]) if frame != "data: [DONE]" else "[DONE]" for frame in frames]
