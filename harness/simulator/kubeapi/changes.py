"""States of objects, the changes between them, and who reads them: a log per resource, and a feed for each reader.

An object is kept as the JSON bytes that go over the wire. So nobody can alter a stored object by accident, a list or a watch event
costs a concatenation, and a reader who wants to change an object pays for a decode.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import orjson

Key = tuple[str, str]

HISTORY = 4096
HISTORY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored state of one object; `raw` is its JSON, the rest is what lookups need without decoding."""

    namespace: str
    name: str
    uid: str
    revision: int
    raw: bytes
    labels: dict[str, str]
    owners: tuple[str, ...]
    deleting: bool

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return (self.namespace, self.name)

    def decode(self) -> dict[str, Any]:
        """A fresh copy that the caller may change."""
        value: dict[str, Any] = orjson.loads(self.raw)
        return value


def entry_of(value: dict[str, Any], revision: int) -> Entry:
    """Freeze an object at a revision; writes `metadata.resourceVersion`."""
    meta = value["metadata"]
    meta["resourceVersion"] = str(revision)
    return Entry(
        namespace=meta.get("namespace") or "",
        name=meta["name"],
        uid=meta["uid"],
        revision=revision,
        raw=orjson.dumps(value),
        labels=dict(meta.get("labels") or {}),
        owners=tuple(owner.get("uid", "") for owner in meta.get("ownerReferences") or ()),
        deleting="deletionTimestamp" in meta,
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One event: ADDED, MODIFIED or DELETED, the state that it led to and the one before."""

    type: str
    entry: Entry
    before: Entry | None


class Feed:
    """The changes that one reader has not taken yet; `lost` once they were too many to keep for it."""

    def __init__(self, key: Key | None) -> None:
        """`key`: the one object that the reader asks about; None for all of the resource."""
        self.key = key
        self.lost = False
        self._changes: list[Change] = []
        self._bytes = 0
        self._waiter: asyncio.Future[None] | None = None

    def put(self, change: Change) -> None:
        """Keep a change for the reader, and wake it."""
        self._changes.append(change)
        self._bytes += len(change.entry.raw)
        if len(self._changes) > HISTORY or self._bytes > HISTORY_BYTES:
            self.lost = True
            self.take()
        self.wake()

    def take(self) -> list[Change]:
        """What has come since the last time, oldest first."""
        changes, self._changes, self._bytes = self._changes, [], 0
        return changes

    def wake(self) -> None:
        """Let the reader look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def more(self, until: float) -> None:
        """Return with the next change or wake-up, at the latest at that time of the event loop."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        alarm = loop.call_at(until, self.wake)
        try:
            await self._waiter
        finally:
            alarm.cancel()
            self._waiter = None


class ChangeLog:
    """The recent changes of one resource, and the feeds of those who follow it."""

    def __init__(self, start: int) -> None:
        self._changes: deque[Change] = deque()
        self._bytes = 0
        self._oldest = start
        self._feeds: dict[Key | None, list[Feed]] = {}

    def append(self, change: Change) -> None:
        """Add a change and hand it to everyone who asked about its object."""
        self._changes.append(change)
        self._bytes += len(change.entry.raw)
        while len(self._changes) > 1 and (len(self._changes) > HISTORY or self._bytes > HISTORY_BYTES):
            dropped = self._changes.popleft()
            self._bytes -= len(dropped.entry.raw)
            self._oldest = dropped.entry.revision
        for key in (None, change.entry.key):
            for feed in self._feeds.get(key, ()):
                feed.put(change)

    def after(self, revision: int) -> list[Change] | None:
        """The changes since a revision, oldest first; None when the log no longer reaches back so far."""
        if revision < self._oldest:
            return None
        newest = list(takewhile(lambda change: change.entry.revision > revision, reversed(self._changes)))
        newest.reverse()
        return newest

    def follow(self, key: Key | None = None) -> Feed:
        """A feed of every change from now on, or of those of one object."""
        feed = Feed(key)
        self._feeds.setdefault(key, []).append(feed)
        return feed

    def leave(self, feed: Feed) -> None:
        """Feed a reader no longer."""
        feeds = self._feeds[feed.key]
        feeds.remove(feed)
        if not feeds:
            del self._feeds[feed.key]

    def wake(self) -> None:
        """Let every reader look again."""
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.wake()
