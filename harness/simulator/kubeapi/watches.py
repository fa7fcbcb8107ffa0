"""Watching: the changes of a resource as a stream of events."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from harness.simulator.kubeapi.changes import Change, Entry, Feed
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.reads import Render, Selection, parse_revision, present
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import expired

BOOKMARK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How a watch begins and ends."""

    revision: str
    seconds: float
    bookmarks: bool
    initial_events: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """One watch: what is watched, and how it is told."""

    cluster: Cluster
    resource: Resource
    selection: Selection
    options: WatchOptions
    render: Render

    async def events(self) -> AsyncIterator[bytes]:
        """Lines of JSON until the time is over, the server closes, or history is lost (an ERROR event with 410)."""
        log = self.cluster.store.log(self.resource.bucket)
        start = parse_revision(self.options.revision)
        gone = expired(f"too old resource version: {start} ({self.cluster.store.revision})")
        feed = log.follow(self.selection.key)
        try:
            if start == 0:
                yield await self._initial()
            else:
                missed = log.after(start)
                feed.lost = missed is None
                yield await self._told(missed or ())
            async for lines in self._following(feed):
                yield lines
        finally:
            log.leave(feed)
        if feed.lost:
            yield _event("ERROR", orjson.dumps(gone.body()))

    async def _initial(self) -> bytes:
        """What is there, as if it had just been added."""
        revision = self.cluster.store.revision
        current = present(self.cluster, self.resource, self.selection)
        events = [_event("ADDED", raw) for raw in await self.render(current)]
        if self.options.initial_events:
            events.append(self._bookmark(revision, initial=True))
        return b"".join(events)

    async def _following(self, feed: Feed) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self.options.seconds
        next_bookmark = loop.time() + BOOKMARK_SECONDS if self.options.bookmarks else ends
        while not (self.cluster.closing or feed.lost):
            changes = feed.take()
            if changes:
                lines = await self._told(changes)
                if lines:
                    yield lines
                continue
            now = loop.time()
            if now >= ends:
                if self.options.bookmarks:
                    yield self._bookmark(self.cluster.store.revision)
                return
            if now >= next_bookmark:
                next_bookmark = now + BOOKMARK_SECONDS
                yield self._bookmark(self.cluster.store.revision)
                continue
            await feed.more(min(ends, next_bookmark))

    async def _told(self, changes: Iterable[Change]) -> bytes:
        """Changes as events; empty when none of them concerns the selection."""
        seen = [found for change in changes if (found := _seen(change, self.selection)) is not None]
        raws = await self.render([entry for _, entry in seen])
        return b"".join([_event(kind, raw) for (kind, _), raw in zip(seen, raws, strict=True)])

    def _bookmark(self, revision: int, *, initial: bool = False) -> bytes:
        meta: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind, version = self.resource.kind, self.resource.api_version
        return _event("BOOKMARK", orjson.dumps({"kind": kind, "apiVersion": version, "metadata": meta}))


def _event(kind: str, raw: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"


def _seen(change: Change, selection: Selection) -> tuple[str, Entry] | None:
    """A change as a selecting watcher sees it: objects enter and leave the selection."""
    now = selection.wants(change.entry)
    if change.type == "ADDED":
        return ("ADDED", change.entry) if now else None
    before = change.before is not None and selection.wants(change.before)
    if change.type == "DELETED":
        return ("DELETED", change.entry) if before else None
    if now:
        return ("MODIFIED" if before else "ADDED", change.entry)
    return ("DELETED", change.entry) if before else None
