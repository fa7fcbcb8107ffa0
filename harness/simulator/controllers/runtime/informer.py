"""A kind kept in memory: one list, then a watch, then the same again whenever the watch breaks."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from lightkube import AsyncClient

from harness.simulator.controllers.runtime.kind import Kind, resource
from harness.simulator.controllers.runtime.manifest import Key, Manifest, key_of, resource_version
from harness.simulator.controllers.runtime.refusal import code_of
from harness.simulator.controllers.runtime.store import Change, Store
from harness.simulator.holdback import HoldBack

log = logging.getLogger(__name__)

Handler = Callable[[Change], None]
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0
ABSENT_KIND_PAUSE_S = 1.0


class Informer:
    """Feeds a store and tells its handlers of every change. A kind that is not served yet counts as empty until it is."""

    def __init__(self, client: AsyncClient, kind: Kind) -> None:
        self.kind = kind
        self.store = Store()
        self.synced = asyncio.Event()
        self.is_served = True
        self._client = client
        self._handlers: list[Handler] = []
        self.writes: HoldBack[Key, tuple[str, Manifest]] = HoldBack(self._take)

    def subscribe(self, handler: Handler) -> None:
        """Call `handler` with every change from now on; it must return at once."""
        self._handlers.append(handler)

    def observe(self, manifest: Manifest, author: object = None) -> None:
        """Take in an object that the API server returned to a write; `author`: see `Change`."""
        self._tell(self.store.observe(manifest, author))

    def forget(self, manifest: Manifest) -> None:
        """Take in that an object has gone with the write that returned this."""
        self._tell(self.store.forget(key_of(manifest), resource_version(manifest)))

    async def run(self) -> None:
        """List and watch until cancelled."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                version = await self._list()
                self.is_served = True
                self.synced.set()
                pause = FIRST_PAUSE_S
                await self._watch(version)
            except Exception as error:  # noqa: BLE001 - whatever ends a watch, the next list heals it
                code = code_of(error)
                if code == 410:  # history was compacted: the list is all there is to it
                    continue
                if code == 404:
                    self.is_served = False
                    self.synced.set()
                    await asyncio.sleep(ABSENT_KIND_PAUSE_S)
                    continue
                pause = await self._rest(pause, error)

    async def _rest(self, pause: float, error: Exception) -> float:
        """Wait before the next list; returns how long to wait after another failure."""
        log.warning("%s: %s: %s; listing again in %.2f s", self.kind, type(error).__name__, error, pause)
        await asyncio.sleep(pause)
        return min(pause * 2, LONGEST_PAUSE_S)

    async def _list(self) -> str:
        scope: dict[str, Any] = {"namespace": "*"} if self.kind.namespaced else {}
        listing = self._client.list(resource(self.kind), **scope)
        objects = [self._plain(item) async for item in listing]
        version = listing.resourceVersion
        for change in self.store.replace(objects, int(version)):
            self._tell(change)
        return version

    async def _watch(self, version: str) -> None:
        scope: dict[str, Any] = {"namespace": "*"} if self.kind.namespaced else {}
        events = self._client.watch(resource(self.kind), resource_version=version, **scope)
        async with contextlib.aclosing(events) as stream:  # type: ignore[type-var]  # an async generator, typed as an iterator
            async for operation, item in stream:
                manifest = self._plain(item)
                self.writes.heard(key_of(manifest), (operation, manifest))

    def _take(self, event: tuple[str, Manifest]) -> None:
        operation, manifest = event
        if operation == "DELETED":
            self._tell(self.store.forget(key_of(manifest), resource_version(manifest)))
        else:
            self._tell(self.store.observe(manifest))

    def _plain(self, item: Any) -> Manifest:
        manifest: Manifest = dict(item)
        manifest.setdefault("apiVersion", self.kind.api_version)
        manifest.setdefault("kind", self.kind.kind)
        return manifest

    def _tell(self, change: Change | None) -> None:
        if change is None:
            return
        for handler in self._handlers:
            handler(change)
