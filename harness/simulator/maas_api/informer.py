"""A local mirror of one kind of objects: list once, then watch, list again when the history is gone."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from lightkube.core.async_client import AsyncClient
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource

T = TypeVar("T")
D = TypeVar("D")

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_WATCH_S = 300


class Mirror(Generic[T]):
    """Objects of one kind, parsed when they arrive, so that requests read plain values.

    `items` maps (namespace, name) to what `parse` made of the object. `version` grows with each change, for
    whoever derives something from the mirror.
    """

    def __init__(
        self, kind: tuple[str, str, str, str], namespace: str, parse: Callable[[Mapping[str, Any]], T]
    ) -> None:
        """`kind` is group, version, kind and plural; `namespace` may be `*`."""
        self._resource = create_namespaced_resource(*kind)
        self._kind = kind[2]
        self._namespace = namespace
        self._parse = parse
        self.items: dict[tuple[str, str], T] = {}
        self.version = 0
        self.synced = asyncio.Event()

    async def run(self, client: AsyncClient) -> None:
        """Keep the mirror true until cancelled. A failing API is asked again, with growing pauses."""
        pause = _FIRST_PAUSE_S
        while True:
            try:
                version = await self._list(client)
                pause = _FIRST_PAUSE_S
                await self._watch(client, version)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the API or the network does, the mirror must come back
                if not (isinstance(error, ApiError) and error.status.code == 410):
                    log.warning("cannot follow %s, next try in %.1f s: %s", self._kind, pause, error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def _list(self, client: AsyncClient) -> str:
        found: dict[tuple[str, str], T] = {}
        listing = client.list(self._resource, namespace=self._namespace)
        async for item in listing:
            self._insert(found, item)
        self.items = found
        self.version += 1
        self.synced.set()
        return listing.resourceVersion

    async def _watch(self, client: AsyncClient, version: str) -> None:
        async for kind, item in client.watch(
            self._resource, namespace=self._namespace, resource_version=version, server_timeout=_WATCH_S
        ):
            document: Mapping[str, Any] = item
            if kind == "DELETED":
                metadata = document["metadata"]
                self.remove(metadata.get("namespace", ""), metadata["name"])
            elif kind in {"ADDED", "MODIFIED"}:
                self.put(document)

    def put(self, document: Mapping[str, Any]) -> None:
        """Take an object in, in place of an older state of it."""
        self._insert(self.items, document)
        self.version += 1

    def remove(self, namespace: str, name: str) -> None:
        """Forget an object."""
        self.items.pop((namespace, name), None)
        self.version += 1

    def _insert(self, items: dict[tuple[str, str], T], document: Mapping[str, Any]) -> None:
        metadata = document["metadata"]
        items[metadata.get("namespace", ""), metadata["name"]] = self._parse(document)


class Derived(Generic[T, D]):
    """Something made from a mirror's objects, made anew when they have changed."""

    def __init__(self, mirror: Mirror[T], make: Callable[[Iterable[T]], D]) -> None:
        self._mirror = mirror
        self._make = make
        self._made_of = -1
        self._made: D | None = None

    def __call__(self) -> D:
        """The present state of it."""
        if self._made is None or self._made_of != self._mirror.version:
            self._made, self._made_of = self._make(self._mirror.items.values()), self._mirror.version
        return self._made
