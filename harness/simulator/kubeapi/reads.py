"""Reading: get, list (paged at a fixed revision) and watch."""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.selectors import (
    FieldClause,
    LabelSelector,
    fields_match,
    labels_match,
    parse_fields,
    parse_labels,
)
from harness.simulator.kubeapi.status import ApiError, bad_request, expired
from harness.simulator.kubeapi.store import Change, Entry

BOOKMARK_SECONDS = 30.0
Render = Callable[[Entry], bytes]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource a request wants."""

    namespace: str
    labels: LabelSelector
    fields: tuple[FieldClause, ...]

    def wants(self, entry: Entry) -> bool:
        """Whether an object belongs to the selection."""
        if self.namespace and entry.namespace != self.namespace:
            return False
        if self.labels and not labels_match(self.labels, entry.labels):
            return False
        return not self.fields or _by_fields(self.fields, entry)


def _by_fields(clauses: tuple[FieldClause, ...], entry: Entry) -> bool:
    known = {"metadata.name": entry.name, "metadata.namespace": entry.namespace}
    if all(clause.path in known for clause in clauses):
        return all((known[c.path] == c.value) is c.equal for c in clauses)
    return fields_match(clauses, entry.decode())


def select(resource: Resource, namespace: str, labels: str, fields: str, name: str = "") -> Selection:
    """Read the selectors of a request. Raises ApiError 400."""

    def supported(path: str) -> bool:
        return (
            path == "metadata.name"
            or (path == "metadata.namespace" and resource.namespaced)
            or path in resource.selectable
        )

    clauses = parse_fields(fields, supported)
    if name:
        clauses = (*clauses, FieldClause("metadata.name", name, equal=True))
    return Selection(namespace, parse_labels(labels), clauses)


def renderer(cluster: Cluster, resource: Resource) -> Render:
    """How a stored object becomes the bytes of the asked version."""
    if resource.version == (resource.storage_version or resource.version):
        return lambda entry: entry.raw
    return lambda entry: orjson.dumps(cluster.from_storage(entry.decode(), resource))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    entries: list[Entry]
    revision: int
    ticket: str
    remaining: int | None


def read_page(
    cluster: Cluster, resource: Resource, selection: Selection, limit: int, ticket: str, revision: str
) -> Page:
    """The first or next page. Raises ApiError 400 for a bad token and 410 for an old one."""
    store = cluster.store
    if ticket:
        if revision not in {"", "0"}:
            raise bad_request("specifying resource version is not allowed when using continue")
        snapshot = store.rest(_decode_ticket(ticket))
        if snapshot is None:
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
                "the continue parameter."
            )
        entries, at = snapshot.entries, snapshot.revision
    else:
        _check_revision(cluster, revision)
        entries = [entry for entry in store.objects(resource.bucket, selection.namespace) if selection.wants(entry)]
        at = store.revision
    if not limit or len(entries) <= limit:
        return Page(entries, at, "", None)
    rest = entries[limit:]
    plain = not selection.labels and not selection.fields
    return Page(entries[:limit], at, _encode_ticket(store.keep_rest(at, rest)), len(rest) if plain else None)


def _check_revision(cluster: Cluster, revision: str) -> None:
    number = parse_revision(revision)
    if number > cluster.store.revision:
        message = f"Too large resource version: {number}, current: {cluster.store.revision}"
        details = {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }
        raise ApiError(504, "Timeout", message, details)


def parse_revision(text: str) -> int:
    """A resourceVersion as a number; the empty text is 0. Raises ApiError 400."""
    if not text:
        return 0
    if not text.isdecimal() or len(text) > 19:
        raise bad_request(f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def _encode_ticket(ticket: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"v": "meta.k8s.io/v1", "t": ticket})).decode().rstrip("=")


def _decode_ticket(text: str) -> str:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return str(value["t"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request("continue key is not valid: it does not come from a list of this server") from error


def list_body(page: Page, resource: Resource, render: Render) -> bytes:
    """A list as JSON, put together from the stored bytes."""
    meta: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.ticket:
        meta["continue"] = page.ticket
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
    head = {"kind": resource.list_kind or f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta}
    return orjson.dumps(head)[:-1] + b',"items":[' + b",".join(map(render, page.entries)) + b"]}"


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """How a watch begins and ends."""

    revision: str
    seconds: float
    bookmarks: bool
    initial_events: bool


def _event(kind: str, raw: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + raw + b"}\n"


def _bookmark(resource: Resource, revision: int, *, initial: bool = False) -> bytes:
    meta: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if initial:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return _event(
        "BOOKMARK", orjson.dumps({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta})
    )


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


async def watch(
    cluster: Cluster, resource: Resource, selection: Selection, options: WatchOptions, render: Render
) -> AsyncIterator[bytes]:
    """Events as lines of JSON until the time is over, the server closes, or history is lost (an ERROR event with 410)."""
    log = cluster.store.log(resource.bucket)
    start = parse_revision(options.revision)
    gone = expired(f"too old resource version: {start} ({cluster.store.revision})")
    if start == 0:
        position: int | None = log.end
        current = [
            entry for entry in cluster.store.objects(resource.bucket, selection.namespace) if selection.wants(entry)
        ]
        first = [_event("ADDED", render(entry)) for entry in current]
        if options.initial_events:
            first.append(_bookmark(resource, cluster.store.revision, initial=True))
        yield b"".join(first)
    else:
        position = log.position_after(start)
        yield b""
    loop = asyncio.get_running_loop()
    ends = loop.time() + options.seconds
    next_bookmark = loop.time() + BOOKMARK_SECONDS if options.bookmarks else ends
    while not cluster.closing:
        changes = log.since(position) if position is not None else None
        if changes is None or position is None:
            yield _event("ERROR", orjson.dumps(gone.body()))
            return
        if changes:
            position += len(changes)
            seen = [found for change in changes if (found := _seen(change, selection)) is not None]
            if seen:
                yield b"".join([_event(kind, render(entry)) for kind, entry in seen])
            continue
        now = loop.time()
        if now >= ends:
            if options.bookmarks:
                yield _bookmark(resource, cluster.store.revision)
            return
        if now >= next_bookmark:
            next_bookmark = now + BOOKMARK_SECONDS
            yield _bookmark(resource, cluster.store.revision)
        await _more(cluster, log.more(), min(ends, next_bookmark) - now, log.forget)


async def _more(
    cluster: Cluster, waiter: asyncio.Future[None], seconds: float, forget: Callable[[asyncio.Future[None]], None]
) -> None:
    if cluster.closing:
        forget(waiter)
        return
    try:
        await asyncio.wait_for(waiter, max(seconds, 0.0))
    except TimeoutError:
        forget(waiter)
    except asyncio.CancelledError:
        forget(waiter)
        raise
