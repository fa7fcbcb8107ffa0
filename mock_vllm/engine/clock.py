"""Timers in two grades: `cheap` (event-loop timers, 1 ms grain, few wake-ups) and `precise` (one timerfd, microseconds).

Deadlines are absolute monotonic seconds in both, so lateness of one token never moves the next.
"""

import asyncio
import ctypes
import heapq
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol

LOG = logging.getLogger("mock_vllm")
TFD_NONBLOCK: Final = 0o4000
TFD_CLOEXEC: Final = 0o2000000
TFD_TIMER_ABSTIME: Final = 1
TOGETHER_S: Final = 50e-6  # timers so close to each other share one wake-up: the later ones come this much early


class Timer:
    """A callback to come; `cancel` lets go of it at once."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Do not call."""
        self.callback = None

    def fire(self) -> None:
        """Call, unless cancelled."""
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()


class Clock(Protocol):
    """Tells monotonic seconds and calls back at a deadline."""

    def now(self) -> float:
        """Monotonic seconds."""

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back once at `when`."""

    def close(self) -> None:
        """Give back what the clock holds."""


class CheapClock:
    """Timers of the event loop."""

    now = staticmethod(time.monotonic)

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """See `Clock`."""
        timer = Timer(callback)
        asyncio.get_running_loop().call_later(max(when - time.monotonic(), 0.0), timer.fire)
        return timer

    def close(self) -> None:
        """Nothing is held."""


class _Itimerspec(ctypes.Structure):
    """struct itimerspec with its two timespecs laid flat."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class PreciseClock:
    """A heap of deadlines behind one timerfd. Linux only; `make_clock` falls back elsewhere."""

    now = staticmethod(time.monotonic)

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._spec = _Itimerspec()
        self._spec_pointer = ctypes.addressof(self._spec)
        self._fd = libc.timerfd_create(time.CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._armed = 0.0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._due)

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """See `Clock`."""
        timer = Timer(callback)
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, timer))
        if self._armed == 0.0 or when < self._armed:
            self._arm(when)
        return timer

    def _arm(self, when: float) -> None:
        """Set the timer; 0 stops it. Setting it also takes back an expiry that nobody has read."""
        self._armed = when
        spec = self._spec
        spec.seconds = seconds = int(when)
        spec.nanoseconds = int((when - seconds) * 1e9)
        self._settime(self._fd, TFD_TIMER_ABSTIME, self._spec_pointer, None)

    def _due(self) -> None:
        heap = self._heap
        self._armed = -1.0  # no re-arming while due timers are called: they often set new ones
        now = time.monotonic() + TOGETHER_S
        while heap and heap[0][0] <= now:
            try:
                heapq.heappop(heap)[2].fire()
            except Exception:
                LOG.exception("a timer's callback failed")  # the others must come all the same
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
        self._arm(heap[0][0] if heap else 0.0)

    def close(self) -> None:
        """Close the timerfd."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


def make_clock(mode: str) -> Clock:
    """The clock of a timing mode, `precise` or `cheap`; without timerfd `precise` is cheap too."""
    if mode == "precise" and sys.platform == "linux":
        return PreciseClock()
    return CheapClock()
