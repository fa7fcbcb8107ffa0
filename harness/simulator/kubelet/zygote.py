"""Forks servers from a process that has their code loaded: `python -m harness.simulator.kubelet.zygote PACKAGE`.

Loading the mock's code takes a quarter of a second of one core; a fork takes a few milliseconds and shares the memory. Requests come as
JSON lines on standard input, `{"id", "arguments", "environment", "log"}`; answers leave as JSON lines on standard output, `{"id", "pid"}`
for a start and `{"pid", "code"}` for an end (negative: the signal). End of input ends the zygote, and with it the servers.
"""

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import pkgutil
import selectors
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from harness.simulator.component import die_with_parent

Entry = Callable[[list[str]], None]
_UNCAUGHT = 70


class Zygote:
    """One loop over requests and ends of children."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._pid = os.getpid()
        self._children: set[int] = set()
        self._pending = b""
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)

    def run(self) -> None:
        """Serve until the end of input."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write)
        selector = selectors.DefaultSelector()
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(self._wake_read, selectors.EVENT_READ)
        while True:
            for ready, _ in selector.select():
                if ready.fd == self._wake_read:
                    os.read(self._wake_read, 4096)
                elif not self._read():
                    return self._end()
            self._reap()

    def _read(self) -> bool:
        chunk = os.read(sys.stdin.fileno(), 65536)
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            self._tell({"id": request["id"], "pid": self._fork(request)})
        return bool(chunk)

    def _fork(self, request: dict[str, Any]) -> int:
        pid = os.fork()
        if pid == 0:
            self._become(request)
        self._children.add(pid)
        return pid

    def _become(self, request: dict[str, Any]) -> None:
        """The child's whole life; never returns."""
        code = _UNCAUGHT
        try:
            os.setsid()
            die_with_parent()
            if os.getppid() != self._pid:  # the zygote died before the wish above was known
                os._exit(_UNCAUGHT)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._redirect(request["log"])
            os.environ.clear()
            os.environ.update(request["environment"])
            self._entry(request["arguments"])
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:  # noqa: BLE001 - nothing may get past here into the zygote's own loop
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _redirect(self, log: str) -> None:
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for descriptor in (nothing, output, self._wake_read, self._wake_write):
            os.close(descriptor)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self._children.discard(pid)
            self._tell({"pid": pid, "code": os.waitstatus_to_exitcode(status)})

    def _end(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)

    @staticmethod
    def _tell(answer: dict[str, int]) -> None:
        os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")


def load(package: str) -> None:
    """Import all of a package. What cannot be imported now is left out: a child that needs it says so in its own log."""
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}.", onerror=lambda _: None):
        if not module.name.endswith(".__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)


def main() -> None:
    """Load the package, then serve; children run the `main(arguments)` of `PACKAGE.cli`, or of `PACKAGE.__main__` where there is none."""
    die_with_parent()
    package = sys.argv[1]
    load(package)
    place = "cli" if importlib.util.find_spec(f"{package}.cli") is not None else "__main__"
    entry: Entry = importlib.import_module(f"{package}.{place}").main
    gc.collect()
    gc.freeze()
    Zygote(entry).run()


if __name__ == "__main__":
    main()
