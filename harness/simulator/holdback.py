"""What a watch says of an object while a write of ours to it is not answered: the event may come before the answer.

Only the answer tells whose change it is, so the event waits for it.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
E = TypeVar("E")


class HoldBack(Generic[K, E]):
    """Passes events on to `take`; those of objects with an unanswered write when the last of these is answered, in their order."""

    def __init__(self, take: Callable[[E], None]) -> None:
        self._take = take
        self._awaited: Counter[K] = Counter()
        self._held: dict[K, list[E]] = {}

    def heard(self, key: K, event: E) -> None:
        """An event about an object."""
        if key in self._awaited:
            self._held.setdefault(key, []).append(event)
        else:
            self._take(event)

    @contextlib.contextmanager
    def awaiting(self, key: K) -> Iterator[None]:
        """A write to the object is under way for the length of the block, and answered at its end."""
        self._awaited[key] += 1
        try:
            yield
        finally:
            self._awaited[key] -= 1
            if not self._awaited[key]:
                del self._awaited[key]
                for event in self._held.pop(key, ()):
                    self._take(event)
