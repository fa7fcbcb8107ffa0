"""Answers that may be repeated for a short, stated time; concurrent questions are asked once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Value_co = TypeVar("Value_co", covariant=True)
Answer = TypeVar("Answer")
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Fresh(Generic[Value_co]):
    """A value and the instant (seconds of the cache's clock) after which it must not be used."""

    value: Value_co
    until: float


class AnswerCache(Generic[Answer]):
    """Remembers answers for `ttl` seconds, counted from the moment the question was sent.

    So a change is visible everywhere at most `ttl` seconds after it was made. Failures are not remembered. At most `size` entries; the
    oldest leave first.
    """

    def __init__(self, ttl: float, size: int = 10_000, now: Clock = time.monotonic) -> None:
        self._ttl = ttl
        self._size = size
        self._now = now
        self._known: dict[Hashable, Fresh[Answer]] = {}
        self._asking: dict[Hashable, asyncio.Future[Fresh[Answer]]] = {}

    async def get(
        self, key: Hashable, ask: Callable[[], Awaitable[Answer]], lasts: Callable[[Answer], bool] = lambda _: True
    ) -> Fresh[Answer]:
        """The remembered answer, or the one `ask` gives. A waiter that is cancelled does not cancel the others.

        An answer that does not last counts for those alone who wait for it.
        """
        known = self._known.get(key)
        if known is not None and known.until > self._now():
            return known
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(key, ask, lasts, self._now()))
            self._asking[key] = asking
            asking.add_done_callback(lambda done: self._asked(key, done))
        return await asyncio.shield(asking)

    async def _ask(
        self, key: Hashable, ask: Callable[[], Awaitable[Answer]], lasts: Callable[[Answer], bool], started: float
    ) -> Fresh[Answer]:
        value = await ask()
        if not lasts(value):
            return Fresh(value, started)
        answer = Fresh(value, started + self._ttl)
        if self._ttl > 0:
            self._known.pop(key, None)
            if len(self._known) >= self._size:
                self._known.pop(next(iter(self._known)))
            self._known[key] = answer
        return answer

    def _asked(self, key: Hashable, done: "asyncio.Future[Fresh[Answer]]") -> None:
        if self._asking.get(key) is done:
            del self._asking[key]
        if not done.cancelled():
            done.exception()
