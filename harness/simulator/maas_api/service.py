"""What a request handler may use."""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from .administrators import Administrators
from .catalogue import Catalogue
from .database import StoreError
from .kubernetes import Cluster
from .metrics import Metrics
from .minting import Rules
from .settings import Settings
from .store import KeyStore

log = logging.getLogger(__name__)


def microseconds() -> int:
    """The present instant, as the store counts."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one instance."""

    settings: Settings
    catalogue: Catalogue
    store: KeyStore
    kubernetes: Cluster
    administrators: Administrators
    metrics: Metrics
    usage: "UsageMemory"

    def rules(self) -> Rules:
        """The tenant's limits for new keys; the tenant's own setting wins over the instance's."""
        days = self.catalogue.longest_key_days() or self.settings.max_expiration_days
        return Rules(tenant=self.settings.tenant, longest_days=days, quirks=self.settings.quirks)


@dataclass(slots=True)
class UsageMemory:
    """Writes when a key was last used, at most once per key and `debounce_s` seconds, and never in the way of an answer."""

    store: KeyStore
    debounce_s: float
    _written: dict[str, float] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def used(self, key_id: str) -> None:
        """Remember a use."""
        now = time.monotonic()
        if now - self._written.get(key_id, -self.debounce_s) < self.debounce_s:
            return
        if len(self._written) > 100_000:
            self._written.clear()
        self._written[key_id] = now
        task = asyncio.create_task(self._write(key_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Return when nothing is left to write."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _write(self, key_id: str) -> None:
        try:
            await self.store.touch(key_id, microseconds())
        except StoreError as error:
            self._written.pop(key_id, None)
            log.warning("the last use of a key was not written: %s", error)
