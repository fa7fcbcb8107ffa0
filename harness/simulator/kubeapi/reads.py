"""Reading: which objects, and lists (paged at a fixed revision)."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from harness.simulator.kubeapi.changes import Entry, Key
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
from harness.simulator.kubeapi.status import ApiError, Cause, bad_request, expired, invalid
from harness.simulator.kubeapi.validation import unsupported

Render = Callable[[Sequence[Entry]], Awaitable[list[bytes]]]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of a resource a request wants."""

    namespace: str
    labels: LabelSelector
    fields: tuple[FieldClause, ...]
    key: Key | None = None
    """The one object that can belong to the selection, where it names one."""

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
    named = next((clause.value for clause in clauses if clause.path == "metadata.name" and clause.equal), None)
    one = named is not None and (bool(namespace) or not resource.namespaced)
    return Selection(namespace, parse_labels(labels), clauses, (namespace, named or "") if one else None)


def renderer(cluster: Cluster, resource: Resource) -> Render:
    """How stored objects become the bytes of the asked version."""
    stored = resource.version == (resource.storage_version or resource.version)

    async def render(entries: Sequence[Entry]) -> list[bytes]:
        if stored:
            return [entry.raw for entry in entries]
        values = [entry.decode() for entry in entries]
        return [
            orjson.dumps(value) for value in await cluster.converter.convert(values, resource, resource.api_version)
        ]

    return render


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    entries: list[Entry]
    revision: int
    ticket: str
    remaining: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page of which version a list asks for."""

    limit: int = 0
    ticket: str = ""
    revision: str = ""
    match: str = ""

    def check(self) -> None:
        """Raises ApiError 400 or 422 for combinations that mean nothing."""
        parse_revision(self.revision)
        if not self.match:
            return
        wrong: list[Cause] = []
        path = "resourceVersionMatch"
        if not self.revision:
            wrong.append(_forbidden(path, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if self.ticket:
            wrong.append(_forbidden(path, "resourceVersionMatch is forbidden when continue is provided"))
        if self.match not in {"Exact", "NotOlderThan"}:
            wrong.append(unsupported(path, self.match, ["Exact", "NotOlderThan", ""]))
        if self.match == "Exact" and self.revision == "0":
            wrong.append(_forbidden(path, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
        if wrong:
            raise invalid("ListOptions", "meta.k8s.io", "", wrong)

    @property
    def exact(self) -> bool:
        """Whether the list is of exactly its revision; a limited list at a revision always is."""
        return self.match == "Exact" or (not self.match and self.limit > 0 and self.revision not in {"", "0"})


def _forbidden(path: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", path, f"Forbidden: {detail}")


def read_page(cluster: Cluster, resource: Resource, selection: Selection, wanted: Wanted) -> Page:
    """The first or next page. Raises ApiError 400 for a bad token and 410 for an old one."""
    wanted.check()
    entries, at = _next_pages(cluster, wanted) if wanted.ticket else _first_pages(cluster, resource, selection, wanted)
    if not wanted.limit or len(entries) <= wanted.limit:
        return Page(entries, at, "", None)
    rest = entries[wanted.limit :]
    plain = not selection.labels and not selection.fields
    ticket = _encode_ticket(cluster.store.keep_rest(at, rest))
    return Page(entries[: wanted.limit], at, ticket, len(rest) if plain else None)


def _next_pages(cluster: Cluster, wanted: Wanted) -> tuple[list[Entry], int]:
    if wanted.revision not in {"", "0"}:
        raise bad_request("specifying resource version is not allowed when using continue")
    snapshot = cluster.store.rest(_decode_ticket(wanted.ticket))
    if snapshot is None:
        raise expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
            "the continue parameter."
        )
    return snapshot.entries, snapshot.revision


def _first_pages(cluster: Cluster, resource: Resource, selection: Selection, wanted: Wanted) -> tuple[list[Entry], int]:
    store = cluster.store
    number = parse_revision(wanted.revision)
    if number > store.revision:
        message = f"Timeout: Too large resource version: {number}, current: {store.revision}"
        details = {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }
        raise ApiError(504, "Timeout", message, details)
    if not wanted.exact:
        return present(cluster, resource, selection), store.revision
    found = store.past(resource.bucket, number)
    if found is None:
        raise expired("The resourceVersion for the provided list is too old.")
    return [entry for entry in found if selection.wants(entry)], number


def present(cluster: Cluster, resource: Resource, selection: Selection) -> list[Entry]:
    """The current objects of a selection, in key order."""
    store = cluster.store
    if selection.key is None:
        found = store.objects(resource.bucket, selection.namespace)
    else:
        one = store.get(resource.bucket, *selection.key)
        found = [one] if one is not None else []
    return [entry for entry in found if selection.wants(entry)]


def parse_revision(text: str) -> int:
    """A resourceVersion as a number; the empty text is 0. Raises ApiError 400."""
    if not text:
        return 0
    if not text.isdecimal() or len(text) > 19:
        raise bad_request(
            f'invalid resource version "{text}": expected a number such as the one on an object or a list'
        )
    return int(text)


def _encode_ticket(ticket: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps({"v": "meta.k8s.io/v1", "t": ticket})).decode().rstrip("=")


def _decode_ticket(text: str) -> str:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return str(value["t"])
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request("continue key is not valid: it does not come from a list of this server") from error


async def list_body(page: Page, resource: Resource, render: Render) -> bytes:
    """A list as JSON, put together from the stored bytes."""
    meta: dict[str, Any] = {"resourceVersion": str(page.revision)}
    if page.ticket:
        meta["continue"] = page.ticket
        if page.remaining is not None:
            meta["remainingItemCount"] = page.remaining
    head = {"kind": resource.list_kind or f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": meta}
    return orjson.dumps(head)[:-1] + b',"items":[' + b",".join(await render(page.entries)) + b"]}"
