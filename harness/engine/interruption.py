"""Turning Ctrl-C and SIGTERM into one orderly end, however often and however early they arrive."""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

INTERRUPTED: Final = 130
"""The exit status of a process that Ctrl-C ended, as shells say it."""


class Interruption:
    """Raises KeyboardInterrupt once, at the first SIGINT or SIGTERM; later ones are ignored, for teardown is on its way."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._previous: dict[int, Any] = {}

    def arm(self) -> None:
        """Take both signals over; only the main thread may."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._handle)

    def disarm(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.reason is None:
            self.reason = "interrupted" if number == signal.SIGINT else "terminated by SIGTERM"
            raise KeyboardInterrupt(self.reason)


class Postponement:
    """Both signals wait while workers are started; pytest ends a session in order only once its start is over.

    A terminal sends Ctrl-C to every process of a run, and a worker that is still importing would answer with the traceback of whatever it
    imports. So SIGINT is blocked in what is started meanwhile, until the worker says `leave_quietly`.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Any] = {}
        self._came: list[int] = []

    def hold(self) -> None:
        """Let both wait; only the main thread may. Other threads take signals too, so blocking alone would not do here."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    def release(self) -> None:
        """Give the signals back to whoever had them, and to them what came."""
        for number, handler in self._previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._previous.clear()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if self._came:
            signal.raise_signal(self._came.pop(0))

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came.append(number)


def leave_quietly() -> None:
    """In a worker that has nothing to tear down yet: end at SIGINT without a word, at once if it came while `Postponement` held it."""
    signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(INTERRUPTED))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def guarded(action: Callable[[], None]) -> None:
    """Run a short action with both signals ignored."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        action()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
