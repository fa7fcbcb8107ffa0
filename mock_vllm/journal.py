"""The journal: what every request asked, got and cost, kept in bounded memory and exact at full speed.

An entry exists from the end of its request on (reply complete, or client gone) and is numbered when it is first collected, so a reader
that pages with `since` misses nothing. Totals are counted apart from the entries and stay exact when old entries have been dropped.
"""

import hashlib
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

CREDENTIAL_HEADERS: Final = frozenset((b"authorization", b"x-api-key", b"api-key", b"cookie", b"proxy-authorization"))


class Entry(msgspec.Struct, gc=False):
    """One request; `head` is its head as it came: one object, where a dictionary would be fifteen.

    `arrived_at` in Unix seconds; `completion_tokens` generated, `delivered_tokens` handed to the client's connection.
    """

    arrived_at: float
    method: str
    path: str
    head: bytes
    request_id: str | None = None
    seq: int = 0
    model: str | None = None
    stream: bool = False
    status: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    delivered_tokens: int = 0
    usage_delivered: bool = False
    finish_reason: str | None = None
    aborted: bool = False
    fault: str | None = None

    def public(self) -> dict[str, Any]:
        """The entry as JSON shows it: credentials as a prefix of their SHA-256."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in _PUBLIC_FIELDS}
        headers: dict[str, str] = {}
        for line in self.head.split(b"\r\n")[1:]:
            name, colon, value = line.partition(b":")
            if colon:
                key, text = name.strip().lower(), value.strip()
                shown = _shown(key, text)
                before = headers.get(key.decode("latin-1"))
                headers[key.decode("latin-1")] = shown if before is None else f"{before}, {shown}"
        fields["headers"] = headers
        return fields


_PUBLIC_FIELDS: Final = tuple(name for name in Entry.__struct_fields__ if name != "head")


def _shown(name: bytes, value: bytes) -> str:
    if name in CREDENTIAL_HEADERS:
        return "sha256:" + hashlib.sha256(value).hexdigest()[:16]
    return value.decode("latin-1")


class Totals(msgspec.Struct, gc=False):
    """Sums over all finished requests since the last clear."""

    requests: int = 0
    aborted: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    delivered_tokens: int = 0

    def plus(self, other: "Totals") -> None:
        """Add another sum."""
        self.requests += other.requests
        self.aborted += other.aborted
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.delivered_tokens += other.delivered_tokens


class Journal:
    """Finished entries in order, at most `capacity` of them, and totals over all."""

    __slots__ = ("_entries", "capacity", "next_seq", "totals")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self.next_seq = 1
        self.totals = Totals()

    def add(self, entry: Entry) -> None:
        """Take a finished entry; it is numbered when somebody collects it."""
        totals = self.totals
        totals.requests += 1
        totals.prompt_tokens += entry.prompt_tokens
        totals.completion_tokens += entry.completion_tokens
        totals.delivered_tokens += entry.delivered_tokens
        if entry.aborted:
            totals.aborted += 1
        self._entries.append(entry)

    def drain(self) -> "Batch":
        """Give everything away and begin anew."""
        batch = Batch(list(self._entries), self.totals)
        self._entries.clear()
        self.totals = Totals()
        return batch

    def absorb(self, batches: Iterable["Batch"]) -> None:
        """Take what other journals have drained, and number it in the order of arrival."""
        found = list(batches)
        for batch in found:
            self.totals.plus(batch.totals)
        many = len(found) > 1
        entries = itertools.chain.from_iterable(batch.entries for batch in found)
        for entry in sorted(entries, key=lambda one: one.arrived_at) if many else entries:
            entry.seq = self.next_seq
            self.next_seq += 1
            self._entries.append(entry)

    def select(self, request_id: str | None = None, since: int = 0) -> Iterator[Entry]:
        """Entries with `seq` of at least `since`, and of one request id when given."""
        for entry in self._entries:
            if entry.seq >= since and (request_id is None or entry.request_id == request_id):
                yield entry

    @property
    def dropped(self) -> int:
        """How many entries since the last clear are no longer held."""
        return self.totals.requests - len(self._entries)

    def clear(self) -> None:
        """Forget entries and totals; sequence numbers go on."""
        self._entries.clear()
        self.totals = Totals()


class Batch(msgspec.Struct):
    """What a journal held when it was drained; the totals count entries that it had dropped, too."""

    entries: list[Entry]
    totals: Totals


def page(journal: Journal, query: Mapping[str, str], in_flight: int) -> dict[str, Any]:
    """The reply to `GET /journal`. Raises ValueError for a `since` that is no number."""
    since = query.get("since", "0")
    if not since.isdigit():
        raise ValueError(f"since must be a sequence number, got {since!r}")
    entries = [entry.public() for entry in journal.select(query.get("request_id"), int(since))]
    totals = msgspec.to_builtins(journal.totals)
    return {
        "entries": entries,
        "next": journal.next_seq,
        "dropped": journal.dropped,
        "in_flight": in_flight,
        "totals": totals,
    }
