"""One child process of a platform: its log, its ready file, its end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psutil

from harness.outcome import EnvironmentFault
from harness.platforms.lease import RUN_VARIABLE, Lease, ProcessRecord

TAIL_LINES: Final = 12
PAUSE_BOUND_S: Final = 2.0
LOOK_INTERVAL_S: Final = 0.002
_LAUNCHER: Final = "harness.platforms.launcher"


class Component:
    """A component that is loaded first and told its arguments when they are known.

    Start it from a thread that lives as long as the platform: Linux takes the end of the starting thread for the end of the parent.
    """

    def __init__(
        self,
        name: str,
        module: str,
        lease: Lease,
        environment: Mapping[str, str] | None = None,
        *,
        again: bool = False,
    ) -> None:
        """`again`: another process of this platform was this component, or still is; its log is continued."""
        self.name = name
        self.log = lease.logs / f"{name}.log"
        self.ready_file = lease.private / "ready" / f"{name}.json"
        self.ready_file.parent.mkdir(exist_ok=True)
        self.endpoints: Mapping[str, str] | None = None
        variables = {**os.environ, **(environment or {}), "MAAS_DIE_WITH_PARENT": "1", RUN_VARIABLE: lease.run_id}
        if not again:  # of an earlier run into the same folder
            self.ready_file.unlink(missing_ok=True)
            self.log.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            # a session of its own: Ctrl-C reaches the supervisor alone, which ends components in order
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _LAUNCHER, module],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,
            )
        with contextlib.suppress(psutil.NoSuchProcess):
            lease.record(ProcessRecord.of(name, self._process.pid))

    def tell(self, arguments: Sequence[str]) -> None:
        """Let it run with these arguments; `--ready-file` is added."""
        assert self._process.stdin is not None
        self.ready_file.unlink(missing_ok=True)  # of the process that was this component before
        line = json.dumps([*arguments, "--ready-file", str(self.ready_file)]) + "\n"
        with contextlib.suppress(BrokenPipeError):  # it died: the next look says so, with its log
            self._process.stdin.write(line.encode())
            self._process.stdin.close()

    @property
    def pid(self) -> int:
        """The process id, for people and tests."""
        return self._process.pid

    def look(self) -> bool:
        """Whether it is ready. Raises EnvironmentFault with the last lines of its log when it has ended."""
        if self.endpoints is None and self.ready_file.exists():
            announced: dict[str, Any] = json.loads(self.ready_file.read_text(encoding="utf-8"))
            self.endpoints = announced["endpoints"]
        code = self._process.poll()
        if code is not None:
            how = f"was ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            when = "before it was ready" if self.endpoints is None else "while it was needed"
            raise EnvironmentFault(f"the component {self.name} {how} {when}; the end of its log:\n{self.tail()}")
        return self.endpoints is not None

    def tail(self) -> str:
        """The last lines of its log, indented."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:]) or "  (it wrote nothing)"

    def ask_to_end(self) -> None:
        """SIGTERM, once; a component that still waits for its arguments ends as well."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()

    def ended(self, timeout_s: float) -> bool:
        """Whether it ends within that time."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to its session: children of its own go with it."""
        self._signal_session(signal.SIGKILL)
        self._process.wait()

    def pause(self) -> None:
        """SIGSTOP to its session, and return when it stands still: it keeps its connections and answers nothing."""
        self._signal_session(signal.SIGSTOP)
        deadline = time.monotonic() + PAUSE_BOUND_S
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(self._process.pid)
            while process.status() != psutil.STATUS_STOPPED and time.monotonic() < deadline:
                time.sleep(LOOK_INTERVAL_S)

    def resume(self) -> None:
        """SIGCONT to its session."""
        self._signal_session(signal.SIGCONT)

    def _signal_session(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
