"""Objects in memory with one revision counter, a log of changes per resource, and snapshots for paged lists.

An object is kept as the JSON bytes that go over the wire. So nobody can alter a stored object by accident, a list or a watch event
costs a concatenation, and a reader who wants to change an object pays for a decode.
"""

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

Bucket = tuple[str, str]
Key = tuple[str, str]

HISTORY = 4096
HISTORY_BYTES = 16 * 1024 * 1024
SNAPSHOTS = 64


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


class ChangeLog:
    """The recent changes of one resource; readers keep a position and wait for more."""

    def __init__(self, start: int) -> None:
        self._changes: deque[Change] = deque()
        self._first = 0
        self._bytes = 0
        self.oldest = start
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def end(self) -> int:
        """The position after the newest change."""
        return self._first + len(self._changes)

    def append(self, change: Change) -> None:
        """Add a change and wake everyone who waits."""
        self._changes.append(change)
        self._bytes += len(change.entry.raw)
        while len(self._changes) > 1 and (len(self._changes) > HISTORY or self._bytes > HISTORY_BYTES):
            dropped = self._changes.popleft()
            self._bytes -= len(dropped.entry.raw)
            self._first += 1
            self.oldest = dropped.entry.revision
        self.wake()

    def wake(self) -> None:
        """Let every waiting reader look again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def position_after(self, revision: int) -> int | None:
        """Where changes newer than the revision begin; None when the log no longer reaches back so far."""
        if revision < self.oldest:
            return None
        position = self.end
        for change in reversed(self._changes):
            if change.entry.revision <= revision:
                break
            position -= 1
        return position

    def since(self, position: int) -> list[Change] | None:
        """Changes from a position on; None when the reader fell so far behind that some are gone."""
        if position < self._first:
            return None
        newest = list(
            itertools.islice(reversed(self._changes), self.end - position)
        )  # from the end: a deque is slow in its middle
        newest.reverse()
        return newest

    def more(self) -> asyncio.Future[None]:
        """Done when something was appended after this call."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        return waiter

    def forget(self, waiter: asyncio.Future[None]) -> None:
        """A reader no longer waits."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)


@dataclass(slots=True)
class Snapshot:
    """The rest of a paged list: what is still to come, at the revision of the first page."""

    revision: int
    entries: list[Entry]


Listener = Callable[[Bucket, Change], None]


@dataclass(slots=True)
class Store:
    """All objects. Every method is synchronous: within one event loop a call is a transaction."""

    revision: int = 1
    base: int = 0
    _objects: dict[Bucket, dict[Key, Entry]] = field(default_factory=dict)
    _logs: dict[Bucket, ChangeLog] = field(default_factory=dict)
    _snapshots: OrderedDict[str, Snapshot] = field(default_factory=OrderedDict)
    _dependents: dict[str, set[tuple[Bucket, Key]]] = field(default_factory=dict)
    _uids: dict[str, tuple[Bucket, Key]] = field(default_factory=dict)
    _listeners: list[Listener] = field(default_factory=list)
    _serial: int = 0

    def listen(self, listener: Listener) -> None:
        """Call back, in order and before the writer is answered, for every change."""
        self._listeners.append(listener)

    def get(self, bucket: Bucket, namespace: str, name: str) -> Entry | None:
        """The current state of an object."""
        return self._objects.get(bucket, {}).get((namespace, name))

    def by_uid(self, uid: str) -> tuple[Bucket, Entry] | None:
        """The object that carries a uid, with its bucket."""
        found = self._uids.get(uid)
        entry = self._objects[found[0]].get(found[1]) if found else None
        return (found[0], entry) if found and entry else None

    def objects(self, bucket: Bucket, namespace: str = "") -> list[Entry]:
        """Current objects in key order; an empty namespace means all of them."""
        objects = self._objects.get(bucket, {})
        if namespace:
            return sorted((e for e in objects.values() if e.namespace == namespace), key=lambda e: e.name)
        return [objects[key] for key in sorted(objects)]

    def past(self, bucket: Bucket, revision: int) -> list[Entry] | None:
        """The objects as they were at a revision, in key order; None when history no longer reaches back so far."""
        log = self.log(bucket)
        start = log.position_after(revision)
        changes = log.since(start) if start is not None else None
        if changes is None:
            return None
        objects = dict(self._objects.get(bucket, {}))
        for change in reversed(changes):
            if change.before is None:
                objects.pop(change.entry.key, None)
            else:
                objects[change.before.key] = change.before
        return [objects[key] for key in sorted(objects)]

    def buckets(self) -> Iterable[Bucket]:
        """Every bucket that has ever held an object."""
        return tuple(self._objects)

    def dependents(self, uid: str) -> list[tuple[Bucket, Entry]]:
        """Objects whose owner references name the uid."""
        found = self._dependents.get(uid, set())
        return [(bucket, self._objects[bucket][key]) for bucket, key in sorted(found)]

    def log(self, bucket: Bucket) -> ChangeLog:
        """The change log of a resource."""
        return self._logs.setdefault(bucket, ChangeLog(self.base))

    def put(self, bucket: Bucket, value: dict[str, Any]) -> Entry:
        """Store a new state and announce it."""
        meta = value["metadata"]
        objects = self._objects.setdefault(bucket, {})
        before = objects.get((meta.get("namespace") or "", meta["name"]))
        self.revision += 1
        entry = entry_of(value, self.revision)
        self._index(bucket, before, entry)
        objects[entry.key] = entry
        self._announce(bucket, Change("MODIFIED" if before else "ADDED", entry, before))
        return entry

    def remove(self, bucket: Bucket, entry: Entry) -> Entry:
        """Forget an object; returns its last state, at the revision of the removal."""
        self.revision += 1
        del self._objects[bucket][entry.key]
        last = entry_of(entry.decode(), self.revision)
        self._index(bucket, entry, None)
        self._announce(bucket, Change("DELETED", last, entry))
        return last

    def restore(self, bucket: Bucket, entry: Entry) -> None:
        """Take an object from disk: no event, no new revision."""
        self._objects.setdefault(bucket, {})[entry.key] = entry
        self._index(bucket, None, entry)

    def _index(self, bucket: Bucket, before: Entry | None, after: Entry | None) -> None:
        for state, present in ((before, False), (after, True)):
            if state is None:
                continue
            place = (bucket, state.key)
            if present:
                self._uids[state.uid] = place
            else:
                self._uids.pop(state.uid, None)
            for owner in state.owners:
                if present:
                    self._dependents.setdefault(owner, set()).add(place)
                else:
                    self._dependents.get(owner, set()).discard(place)
                    if not self._dependents.get(owner):
                        self._dependents.pop(owner, None)

    def _announce(self, bucket: Bucket, change: Change) -> None:
        self.log(bucket).append(change)
        for listener in self._listeners:
            listener(bucket, change)

    def keep_rest(self, revision: int, entries: list[Entry]) -> str:
        """Remember the pages that a limited list still owes; returns a ticket for them."""
        self._serial += 1
        ticket = f"{revision}.{self._serial}"
        self._snapshots[ticket] = Snapshot(revision, entries)
        while len(self._snapshots) > SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return ticket

    def rest(self, ticket: str) -> Snapshot | None:
        """The pages behind a ticket, which stays good for a repeated request."""
        return self._snapshots.get(ticket)

    def wake_all(self) -> None:
        """Let every watcher look at its clock and at the server's state."""
        for log in self._logs.values():
            log.wake()
