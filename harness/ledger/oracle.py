"""The quota oracle: which answers an admission model allows, given the usages that were seen.

A verdict never counts requests, because their number follows from their costs. Every model admits a request exactly while
`used + need <= limit`; they differ in the need. Check-then-report needs one token, whatever the request. Reservation needs what it
holds, an estimate what it reckons, and neither says how much that is: the need is known as a span, and an answer is forbidden only
where no need of that span gives it.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Final

from harness.ledger.attempt import Attempt, Contradiction, Span
from harness.platforms.platform import Admission

_WORDS: Final = {True: "200", False: "429"}
NOTHING: Final = Span(0, 0)
ERROR_OF_ESTIMATES: Final = 2
"""An estimate of more than twice what a request could cost at the most, or of less than half, is none."""


class Oracle(ABC):
    """What one admission model promises about a budget."""

    admission: ClassVar[Admission]

    @abstractmethod
    def need(self, limit: int, size: int | None) -> Span:
        """Tokens that have to be left for a request of that size to be admitted."""

    def charge(self, attempt: Attempt) -> Span:
        """What an admitted request takes from the budget. Raises ValueError when its answer did not say what it cost."""
        cost = _cost(attempt)
        return Span(cost, cost)

    @property
    def steady(self) -> bool:
        """Whether requests of one size have one need, so that each answer narrows what is known of it."""
        return True

    @abstractmethod
    def burst(self, limit: int, cost: int, parallel: int, size: int | None = None) -> Span:
        """How many of `parallel` equal requests may pass when all start with an untouched budget. Raises ValueError for a cost of 0."""

    def replay(self, limit: int) -> "Replay":
        """A judge of one window, to be shown one attempt after the other."""
        return Replay(self, limit)


@dataclass
class Replay:
    """Judges sequential attempts of one window; `used` is what they took so far."""

    oracle: Oracle
    limit: int
    used: Span = NOTHING
    count: int = 0
    _needs: dict[int | None, Span] = field(default_factory=dict)

    def take(self, attempt: Attempt) -> Contradiction | None:
        """The next attempt; None when the model allows it. Raises ValueError when an admitted one has no cost."""
        self.count += 1
        need = self._need(attempt.size)
        must = self.used.most + need.most <= self.limit
        may = self.used.least + need.least <= self.limit
        if (must and not attempt.admitted) or (attempt.admitted and not may):
            return self._contradiction(attempt, need)
        self._narrow(attempt, need)
        if attempt.admitted:
            charge = self.oracle.charge(attempt)
            self.used = Span(self.used.least + charge.least, self.used.most + charge.most)
        return None

    def _need(self, size: int | None) -> Span:
        return self._needs.get(size) or self.oracle.need(self.limit, size)

    def _narrow(self, attempt: Attempt, need: Span) -> None:
        if not self.oracle.steady or self.used.least != self.used.most:
            return
        left = self.limit - self.used.least
        narrowed = (
            Span(need.least, min(need.most, left)) if attempt.admitted else Span(max(need.least, left + 1), need.most)
        )
        self._needs[attempt.size] = narrowed

    def _contradiction(self, attempt: Attempt, need: Span) -> Contradiction:
        ahead = "" if need == Span(1, 1) else f" and {need} needed for it ({self.oracle.admission})"
        return Contradiction(
            self.count,
            f"{_WORDS[not attempt.admitted]} for request {self.count}, "
            f"with {self.used} of {self.limit} tokens charged before it{ahead}",
            _WORDS[attempt.admitted],
        )


class CheckThenReport(Oracle):
    """Admitted while a token is left; charged when the answer has ended, so the last one may overshoot by all that it costs."""

    admission = "check-then-report"

    def need(self, limit: int, size: int | None) -> Span:
        """One token: the size of the coming request plays no part."""
        return Span(1, 1)

    def burst(self, limit: int, cost: int, parallel: int, size: int | None = None) -> Span:
        """At least those that one after the other would pass; at most all, since every check may come before every report."""
        return Span(min(parallel, -(-limit // _positive(cost))), parallel)


class Reservation(Oracle):
    """A request holds tokens from its arrival to its end, so requests in flight count too.

    Platforms hold what the request may cost, or a flat amount; those of the field clamp it to half of the limit.
    """

    admission = "reservation"

    def need(self, limit: int, size: int | None) -> Span:
        """From one token to half of the limit, or to the size of the request where that is more."""
        return Span(1, max(1, limit // 2, size or 0))

    def burst(self, limit: int, cost: int, parallel: int, size: int | None = None) -> Span:
        """At least as many as fit with the greatest hold; at most one for each token, since each in flight holds one or has spent one."""
        return Span(_fitting(limit, self.need(limit, size).most, cost, parallel), min(parallel, limit))


class Estimate(Oracle):
    """Admitted when an estimate of its cost is left; the estimate is not held, and either it or the usage is charged."""

    admission = "estimate"

    def need(self, limit: int, size: int | None) -> Span:
        """From one token to twice the size of the request; half of the limit where no size is known."""
        return Span(1, max(1, limit // 2, ERROR_OF_ESTIMATES * (size or 0)))

    def charge(self, attempt: Attempt) -> Span:
        """The usage, or an estimate of the size."""
        cost = _cost(attempt)
        size = attempt.size or cost
        return Span(min(cost, -(-size // ERROR_OF_ESTIMATES)), max(cost, ERROR_OF_ESTIMATES * size))

    @property
    def steady(self) -> bool:
        """No: an estimate may learn from the answers before."""
        return False

    def burst(self, limit: int, cost: int, parallel: int, size: int | None = None) -> Span:
        """At least as many as fit with the greatest estimate; at most all, since nothing is held."""
        return Span(_fitting(limit, self.need(limit, size).most, cost, parallel), parallel)


ORACLES: Final[dict[Admission, Oracle]] = {
    oracle.admission: oracle for oracle in (CheckThenReport(), Reservation(), Estimate())
}


def _cost(attempt: Attempt) -> int:
    if attempt.cost is None:
        raise ValueError("an admitted request states no usage, so nothing after it can be judged")
    return attempt.cost


def _positive(cost: int) -> int:
    if cost <= 0:
        raise ValueError(f"a request's cost must be positive to bound how many pass; it is {cost}")
    return cost


def _fitting(limit: int, need: int, cost: int, parallel: int) -> int:
    """How many pass for certain when each needs `need` on arrival and takes at most the greater of need and cost."""
    return 0 if need > limit else min(parallel, (limit - need) // max(need, _positive(cost)) + 1)
