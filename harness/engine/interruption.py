"""Turning Ctrl-C and SIGTERM into one orderly end, however often they arrive."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


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


def guarded(action: Callable[[], None]) -> None:
    """Run a short action with both signals ignored."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        action()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
