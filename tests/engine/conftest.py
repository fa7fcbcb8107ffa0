"""A folder of checks made up by a test, judged by a pytest of its own against a platform file or a made-up target."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from harness.engine.events import AnyEvent
from harness.engine.journal import read_journal
from harness.platforms.platform import Endpoints, Platform

STUCK_S: Final = 300
"""No run of made-up checks takes as long, however busy the machine is."""
PRELUDE = """
import os, signal, time, urllib.request
import pytest
from harness.client.exchange import Exchange, Request, Usage
from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.engine.failure import NotConformant, NotReady
from harness.outcome import EnvironmentFault

def exchange(status=200, body=b'{}', url="http://127.0.0.1:9/llm/m/v1/chat/completions"):
    request = Request("POST", url, {"Authorization": "Bearer <secret>", "Content-Type": "application/json"}, b'{"model": "m"}')
    return Exchange("request-1", request, status, (("content-type", "application/json"),), body, (), Usage(1, 2, 3), None, 0.1)
"""


@dataclass(frozen=True)
class Judged:
    """A run that has ended."""

    code: int
    output: str
    out: Path

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.out / "summary.json").read_text(encoding="utf-8"))

    @property
    def events(self) -> list[AnyEvent]:
        return read_journal(self.out)

    def all_text(self) -> str:
        """Everything that was written and printed."""
        files = (path for path in self.out.rglob("*") if path.is_file())
        return self.output + "".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


@dataclass(frozen=True)
class Begun:
    """A run that goes on beside its test."""

    process: subprocess.Popen[str]
    out: Path

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for what the run does. Fails with its output when it ends before."""
        deadline = time.monotonic() + STUCK_S
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, f"not in {STUCK_S} s"
            time.sleep(0.02)

    def end(self) -> Judged:
        """Wait for the end."""
        output, _ = self.process.communicate(timeout=STUCK_S)
        return Judged(self.process.returncode, output, self.out)


class Suite:
    """Writes checks and judges a platform with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.scenarios = folder / "scenarios"
        self.scenarios.mkdir()
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        (self.scenarios / "conftest.py").write_text("def pytest_maas_checks(): return True\n", encoding="utf-8")
        self.platform_file = folder / "platform.json"
        self.gateway = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{self.gateway.getsockname()[1]}"
        self.endpoints = Endpoints(gateway=url, management=f"{url}/maas-api")
        self.platform(Platform(target="embedded", stack="reference", endpoints=self.endpoints, startup_s=1.5))

    def platform(self, platform: Platform) -> None:
        platform.save(self.platform_file)

    def write(self, name: str, body: str) -> None:
        (self.scenarios / f"test_{name}.py").write_text(PRELUDE + body, encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        own = ["-p", "xdist.plugin", "-p", "harness.engine.plugin", "-p", "no:cacheprovider"]
        return [sys.executable, "-m", "pytest", "scenarios", *own, "--maas-out", str(self.out), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAAS_", "PYTEST_"))}
        return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(self.folder)}

    def run(self, *arguments: str, **environment: str) -> Judged:
        """Judge the platform file, unless the arguments name a target."""
        done = subprocess.run(
            self.command(*self._platform_of(arguments), *arguments),
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=STUCK_S,
            check=False,
        )
        return Judged(done.returncode, done.stdout + done.stderr, self.out)

    @contextmanager
    def begin(self, *arguments: str) -> Iterator[Begun]:
        """The same, without waiting for the end; in a session of its own, as a terminal would give it, and killed with its test."""
        with subprocess.Popen(
            self.command(*self._platform_of(arguments), *arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield Begun(process, self.out)
            finally:
                process.kill()

    def _platform_of(self, arguments: Sequence[str]) -> tuple[str, ...]:
        if any("--maas-target" in argument for argument in arguments):
            return ()
        return ("--maas-platform", str(self.platform_file))


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    made = Suite(tmp_path)
    yield made
    made.gateway.close()
