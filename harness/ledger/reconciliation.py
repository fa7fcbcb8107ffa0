"""Balancing the three books: what the client was told, what the model servers did, what the platform charged.

A number that nobody has is None and yields the finding `unknown`; it is never taken for 0. The model servers' number is
what a request truly cost, so the platform is judged by it where it is known, else by the client's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.ledger.account import Account

Kind = Literal["under-charge", "over-charge", "double-charge", "mis-attribution", "misreported", "unknown"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One account in all three books, in tokens; `costs` are those of its single requests, where they are known."""

    account: Account
    client: int | None
    backend: int | None
    platform: int | None
    costs: tuple[int, ...] = field(default=())

    @property
    def due(self) -> int | None:
        """What should have been charged."""
        return self.client if self.backend is None else self.backend

    @property
    def excess(self) -> int | None:
        """Charged minus due; None when either is unknown."""
        return None if self.due is None or self.platform is None else self.platform - self.due


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which the books disagree, named."""

    kind: Kind
    account: Account
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.account}: {self.text}"


def reconcile(entries: Iterable[Entry]) -> tuple[Finding, ...]:
    """Every disagreement; an empty tuple means that the books balance to the token."""
    rows = list(entries)
    moved = _misattributions(rows)
    settled = {finding.account for finding in moved}
    return (*moved, *(found for row in rows for found in _judge(row, skip_charge=row.account in settled)))


def _judge(row: Entry, *, skip_charge: bool) -> list[Finding]:
    found: list[Finding] = []
    if row.client is not None and row.backend is not None and row.client != row.backend:
        found.append(
            Finding(
                "misreported",
                row.account,
                f"responses state {row.client} tokens, the model servers count {row.backend}",
            )
        )
    if row.due is None or row.platform is None:
        unknown = [
            name
            for name, value in (("client", row.client), ("model servers", row.backend), ("platform", row.platform))
            if value is None
        ]
        found.append(Finding("unknown", row.account, f"no number from: {', '.join(unknown)}"))
    elif not skip_charge and row.excess:
        found.append(_charge(row, row.due, row.platform))
    return found


def _charge(row: Entry, due: int, charged: int) -> Finding:
    words = f"due {due}, charged {charged}"
    if charged < due:
        return Finding("under-charge", row.account, f"{words}: {due - charged} tokens were free")
    repeated = _repeated(row.costs, charged - due)
    if charged == 2 * due or repeated:
        times = "every request" if charged == 2 * due else f"{repeated} of {len(row.costs)} requests"
        return Finding("double-charge", row.account, f"{words}: {times} counted twice")
    return Finding("over-charge", row.account, f"{words}: {charged - due} tokens too many")


def _repeated(costs: Sequence[int], excess: int) -> int:
    """How many equal requests, counted once more, explain the excess; 0 when no whole number does."""
    if not costs or len(set(costs)) != 1 or costs[0] <= 0 or excess % costs[0]:
        return 0
    times = excess // costs[0]
    return times if times <= len(costs) else 0


def _misattributions(rows: Sequence[Entry]) -> list[Finding]:
    """Pairs where what one account lacks is exactly what another one has too much."""
    short = [row for row in rows if (row.excess or 0) < 0]
    over = [row for row in rows if (row.excess or 0) > 0]
    found: list[Finding] = []
    for lacking in short:
        taker = next((row for row in over if row.excess == -(lacking.excess or 0)), None)
        if taker is None:
            continue
        over.remove(taker)
        text = f"{taker.excess} tokens were charged to {taker.account} instead"
        found.append(Finding("mis-attribution", lacking.account, text))
        found.append(Finding("mis-attribution", taker.account, f"{taker.excess} tokens belong to {lacking.account}"))
    return found
