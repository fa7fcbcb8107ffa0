"""Who may see and revoke other people's keys: whoever may create access policies in the tenant's namespace."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable

from .identity import Caller
from .kubernetes import Access, Cluster, KubernetesError
from .metrics import Metrics

log = logging.getLogger(__name__)

YES_S = 30.0
"""How long a yes is remembered: the longest time that a former administrator keeps the right, as upstream has it."""
NO_S = 2.0
"""How long a no is remembered: the longest time that a new administrator waits."""


class Administrators:
    """Answers from SubjectAccessReviews, a yes remembered for `yes_s`. A failing review is a no, and is not remembered."""

    def __init__(
        self,
        kubernetes: Cluster,
        namespace: str,
        metrics: Metrics,
        entries: int,
        yes_s: float = YES_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kubernetes = kubernetes
        self._access = Access("create", "maas.opendatahub.io", "maasauthpolicies", namespace)
        self._metrics = metrics
        self._entries = entries
        self._yes_s = yes_s
        self._clock = clock
        self._known: OrderedDict[tuple[str, tuple[str, ...]], tuple[bool, float]] = OrderedDict()

    async def include(self, caller: Caller) -> bool:
        """Whether the caller is one."""
        key = (caller.username, tuple(sorted(caller.groups)))
        known = self._known.get(key)
        if known and known[1] > self._clock():
            self._metrics.admin_hits.inc()
            return known[0]
        self._metrics.admin_misses.inc()
        try:
            answer = await self._kubernetes.may(caller.username, caller.groups, self._access)
        except KubernetesError as error:
            log.warning("the administrator question was not answered: %s", error)
            return False
        self._known.pop(key, None)
        self._known[key] = (answer, self._clock() + (self._yes_s if answer else NO_S))
        while len(self._known) > self._entries:
            self._known.popitem(last=False)
        return answer
