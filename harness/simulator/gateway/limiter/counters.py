"""Fixed windows, opened by the first charge, on a clock that can be advanced for one subscription alone."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.simulator.gateway.limiter.limits import Limit, LimitIdentity

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Counter:
    """A limit resolved for one request: the values of its variables, and whose clock it lives by."""

    limit: Limit
    values: tuple[str, ...]
    subscription: str

    @property
    def key(self) -> "CounterKey":
        """What the used amount is stored under."""
        return (self.limit.identity, self.values)


CounterKey = tuple[LimitIdentity, tuple[str, ...]]


@dataclass(slots=True)
class Window:
    """What was used since the window opened, and when it ends (seconds of the subscription's clock)."""

    used: int
    expires: float
    subscription: str


class SubscriptionClock:
    """Real time plus what an administrator added for each subscription. Never goes back."""

    __slots__ = ("_now", "_offsets")

    def __init__(self, now: Clock = time.monotonic) -> None:
        self._now = now
        self._offsets: dict[str, float] = {}

    def now(self, subscription: str) -> float:
        """Seconds on this subscription's clock."""
        return self._now() + self._offsets.get(subscription, 0.0)

    def advance(self, subscription: str, seconds: float) -> None:
        """Let `seconds` pass for the counters of one subscription."""
        self._offsets[subscription] = self._offsets.get(subscription, 0.0) + seconds


class Counters:
    """All counters of this process, in memory."""

    __slots__ = ("_clock", "_windows")

    def __init__(self, clock: SubscriptionClock) -> None:
        self._clock = clock
        self._windows: dict[CounterKey, Window] = {}

    def used(self, counter: Counter) -> int:
        """Tokens used in the open window; 0 where none is open. Reading opens none."""
        window = self._windows.get(counter.key)
        if window is None or window.expires <= self._clock.now(counter.subscription):
            return 0
        return window.used

    def charge(self, counter: Counter, amount: int) -> None:
        """Add `amount`, without a cap. The first charge after a window's end opens the next one with this amount alone."""
        now = self._clock.now(counter.subscription)
        window = self._windows.get(counter.key)
        if window is None or window.expires <= now:
            self._windows[counter.key] = Window(amount, now + counter.limit.seconds, counter.subscription)
        else:
            window.used += amount

    def keep_only(self, identities: set[LimitIdentity]) -> None:
        """Forget the counters of limits that no longer exist, and those whose window has ended."""
        self._windows = {
            key: window
            for key, window in self._windows.items()
            if key[0] in identities and window.expires > self._clock.now(window.subscription)
        }

    def open_windows(self) -> Iterator[tuple[CounterKey, int, float, str]]:
        """Key, used tokens, seconds until the window ends, and subscription, of every window that is open."""
        for key, window in self._windows.items():
            left = window.expires - self._clock.now(window.subscription)
            if left > 0:
                yield key, window.used, left, window.subscription
