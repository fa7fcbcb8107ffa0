"""HTTPRoutes that have been known for a moment only: what is refused there may be granted in the next one."""

import time
from collections.abc import Callable

NEW_SECONDS = 5.0
"""How long a route is new: what a model needs to be usable is in force by then, or it takes longer than a refusal is remembered anyway."""
MOST = 10_000


class Newcomers:
    """Since when each HTTPRoute is known here: since the first request that it matched. No caller can make up the name of one."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: dict[str, float] = {}

    def has(self, route: str) -> bool:
        """Whether `NAMESPACE/NAME` is new; where no route matched (empty), nothing has come."""
        if not route:
            return False
        now = self._now()
        if route not in self._since and len(self._since) >= MOST:
            self._since.pop(next(iter(self._since)))
        return now - self._since.setdefault(route, now) < NEW_SECONDS
