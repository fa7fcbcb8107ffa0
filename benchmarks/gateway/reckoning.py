"""Three books of the same requests, and a fourth to tell who is wrong: what clients were told, what the model server journalled, what
the limiters charged, and what the gateways logged of each request.

A whole answer costs what it states. A stream that ends early, because its client leaves or because its backend breaks, costs what had
gone through the gateway by then: at least what the client read, at most what the model generated. A failed request costs nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.gateway.mixed import FREE, KINDS, WHOLE, Seen


@dataclass(frozen=True, slots=True)
class Line:
    """One request in all books; tokens, None where a book knows nothing of it."""

    seen: Seen
    journal: int | None
    arrivals: int
    logged: int | None
    prompt: int

    def problem(self) -> str | None:
        """What contradicts the rules above."""
        if self.arrivals != 1:
            return f"arrived {self.arrivals} times at the model server"
        if self.seen.kind in FREE:
            return None if not self.logged and not self.seen.total else f"charged {self.logged}, and it failed"
        if self.seen.status != 200:
            return f"answered {self.seen.status}"
        if self.seen.kind in WHOLE:
            books = (self.seen.total, self.journal, self.logged)
            return None if len(set(books)) == 1 and None not in books else f"client, journal, gateway say {books}"
        read = self.prompt + self.seen.chunks
        generated = self.journal or 0
        if read <= (self.logged or 0) <= generated:
            return None
        return f"the client read {read}, the model generated {generated}, the gateway charged {self.logged}"


def lines_of(
    seen: Iterable[Seen], journal: Iterable[Mapping[str, Any]], log: Iterable[Mapping[str, Any]]
) -> tuple[Line, ...]:
    """Every request with its entries, found by its id."""
    arrived: dict[str, list[Mapping[str, Any]]] = {}
    for entry in journal:
        arrived.setdefault(str(entry["request_id"]), []).append(entry)
    logged = {str(entry["request_id"]): entry for entry in log}
    return tuple(_line(one, arrived.get(one.request_id, []), logged.get(one.request_id)) for one in seen)


def _line(one: Seen, entries: Sequence[Mapping[str, Any]], logged: Mapping[str, Any] | None) -> Line:
    prompt = max((entry["prompt_tokens"] or 0 for entry in entries), default=0)
    generated = sum((entry["prompt_tokens"] or 0) + (entry["completion_tokens"] or 0) for entry in entries)
    charged = logged["tokens_total"] if logged else None
    return Line(one, generated if entries else None, len(entries), charged, prompt)


@dataclass(frozen=True, slots=True)
class Reckoning:
    """All lines, and what the limiters' counters say of each user."""

    lines: tuple[Line, ...]
    counted: Mapping[str, int]

    def problems(self) -> Iterator[str]:
        """Every disagreement, in words; none when the books balance to the token."""
        for line in self.lines:
            wrong = line.problem()
            if wrong is not None:
                yield f"{line.seen.kind} ({line.seen.request_id}): {wrong}"
        due: Counter[str] = Counter()
        for line in self.lines:
            due[line.seen.user] += line.logged or 0
        for user in sorted(due.keys() | self.counted.keys()):
            if due[user] != self.counted.get(user, 0):
                yield f"user {user}: the gateways charged {due[user]}, the limiters count {self.counted.get(user, 0)}"

    def table(self) -> str:
        """One row a kind, and the sums."""
        head = f"{'kind':26}{'requests':>10}{'client':>12}{'journal':>12}{'charged':>12}"
        rows = [self._row(kind, [line for line in self.lines if line.seen.kind == kind]) for kind in KINDS]
        whole = self._row("sum of whole answers", [line for line in self.lines if line.seen.kind in WHOLE])
        sums = self._row("sum of all", list(self.lines))
        limiters = f"{'limiters count':26}{'':>10}{'':>12}{'':>12}{sum(self.counted.values()):>12,}"
        return "\n".join([head, *rows, whole, sums, limiters])

    @staticmethod
    def _row(name: str, lines: Sequence[Line]) -> str:
        client = sum((line.seen.total or 0) if line.seen.kind in WHOLE else _read(line) for line in lines)
        journal = sum(line.journal or 0 for line in lines if line.seen.kind not in FREE)
        charged = sum(line.logged or 0 for line in lines)
        return f"{name:26}{len(lines):>10,}{client:>12,}{journal:>12,}{charged:>12,}"


def _read(line: Line) -> int:
    return 0 if line.seen.kind in FREE else line.prompt + line.seen.chunks
