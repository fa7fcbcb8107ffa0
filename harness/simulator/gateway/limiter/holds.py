"""Tokens held for requests that are running: the reservation model of admission.

A hold is placed on arrival, on every counter of the request, and ends when its stream is done, however it ends: the release is sent
for aborted and failed streams too, apart from the charge. A hold that is never released (its Envoy died) ends after an hour.
"""

import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from harness.simulator.gateway.limiter.counters import CounterKey

HOLD_SECONDS = 3600.0
Shares = tuple[tuple[CounterKey, int], ...]
"""Tokens by counter."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What one running request holds."""

    request: str
    shares: Shares
    until: float


class Holds:
    """All holds. Requests that share an id (clients choose them) each have a hold; a release ends the oldest."""

    __slots__ = ("_by_request", "_held", "_now", "_order")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._held: Tally[CounterKey] = Tally()
        self._by_request: dict[str, deque[Hold]] = {}
        self._order: deque[Hold] = deque()

    def held(self, counter: CounterKey) -> int:
        """Tokens held on a counter."""
        self._expire()
        return self._held[counter]

    def place(self, request: str, shares: Shares) -> None:
        """Hold these shares until the request's release."""
        hold = Hold(request, shares, self._now() + HOLD_SECONDS)
        self._by_request.setdefault(request, deque()).append(hold)
        self._order.append(hold)
        for counter, amount in shares:
            self._held[counter] += amount

    def release(self, request: str) -> None:
        """End the oldest hold of a request id; none is no error, for a denied request has none."""
        waiting = self._by_request.get(request)
        if waiting:
            self._end(waiting.popleft())
            if not waiting:
                del self._by_request[request]

    def _end(self, hold: Hold) -> None:
        for counter, amount in hold.shares:
            self._held[counter] -= amount
            if not self._held[counter]:
                del self._held[counter]

    def _expire(self) -> None:
        now = self._now()
        while self._order and self._order[0].until <= now:
            hold = self._order.popleft()
            waiting = self._by_request.get(hold.request)
            if waiting and waiting[0] is hold:
                self.release(hold.request)
