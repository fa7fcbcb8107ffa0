"""A server process for the length of a `with` block."""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

START_S: Final = 20.0


class MockVLLM:
    """A server on free ports of this machine.

    `url` is the API's base URL and `admin_url` that of its journal; keyword arguments are options (`max_num_seqs=4`, `api_key=["k"]`,
    `enable_force_include_usage=True`). Raises RuntimeError with what the server said when it does not start.
    """

    def __init__(self, model: str = "mock-model", **options: Any) -> None:
        self.model = model
        self.url = ""
        self.admin_url = ""
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Start the process and wait until it accepts requests."""
        with tempfile.TemporaryDirectory() as directory:
            ready = Path(directory) / "ready.json"
            fixed = ["--port", "0", "--admin-port", "0", "--ready-file", str(ready)]
            command = [sys.executable, "-m", "mock_vllm", "serve", self.model, *_flags(self._options), *fixed]
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            deadline = time.monotonic() + START_S
            while not ready.exists():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._process.kill()
                    said = self._process.communicate()[1].strip()
                    raise RuntimeError(f"the mock server did not start: {said or 'no message'}")
                time.sleep(0.005)
            endpoints = json.loads(ready.read_text(encoding="utf-8"))["endpoints"]
        self.url, self.admin_url = endpoints["api"], endpoints["admin"]
        return self

    def stop(self) -> None:
        """End the process; does nothing when it has ended."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def journal(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """What was asked of the server so far, or the entries of one request."""
        query = "" if request_id is None else f"?request_id={request_id}"
        entries: list[dict[str, Any]] = self._admin("GET", f"/journal{query}")["entries"]
        return entries

    def clear_journal(self) -> None:
        """Forget what was asked."""
        self._admin("DELETE", "/journal")

    def faults(self, *rules: dict[str, Any]) -> None:
        """Put fault rules in force; none ends all faults."""
        self._admin("PUT", "/faults", {"faults": list(rules)})

    def _admin(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        where = self.admin_url + path
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(where, data, headers, method=method)  # noqa: S310  # our own server's URL
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310  # the same
            text = reply.read()
        return json.loads(text) if text else None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _flags(options: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            found.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, list | tuple):
            found += [flag, *map(str, value)]
        else:
            found += [flag, str(value)]
    return found
