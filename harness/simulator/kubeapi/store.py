"""Objects in memory with one revision counter, a log of changes per resource, and snapshots for paged lists."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from harness.simulator.kubeapi.changes import Change, ChangeLog, Entry, Key, entry_of

Bucket = tuple[str, str]

SNAPSHOTS = 64


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
        changes = self.log(bucket).after(revision)
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
