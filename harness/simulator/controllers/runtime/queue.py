"""A work queue of keys: a key waits at most once, is worked on by at most one worker, and is retried with growing patience."""

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_S = 0.01
LONGEST_RETRY_S = 30.0


class WorkQueue(Generic[K]):
    """Keys to work on. A key added while it is worked on runs once more afterwards, so no change is ever lost."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, tuple[float, asyncio.TimerHandle]] = {}
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: K) -> None:
        """Ask for the key to be worked on, now or after the work in progress."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._news.set()

    def add_after(self, key: K, delay_s: float) -> None:
        """Ask for the key after `delay_s` seconds; of several such wishes the earliest counts."""
        loop = asyncio.get_running_loop()
        due = loop.time() + delay_s
        earlier = self._timers.get(key)
        if earlier is not None:
            if earlier[0] <= due:
                return
            earlier[1].cancel()
        self._timers[key] = (due, loop.call_at(due, self._fire, key))

    def _fire(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def take(self) -> K:
        """The next key; it counts as worked on until `done`."""
        while not self._ready:
            self._news.clear()
            await self._news.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """The work on the key has ended, well or not."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def retry(self, key: K) -> float:
        """Ask for the key again after a pause that doubles with each failure in a row; returns the pause in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: float = min(FIRST_RETRY_S * 2.0 ** min(failures, 20), LONGEST_RETRY_S)
        self.add_after(key, delay)
        return delay

    def forgive(self, key: K) -> None:
        """The key succeeded: its next failure is its first."""
        self._failures.pop(key, None)

    def close(self) -> None:
        """Drop every pending timer."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
