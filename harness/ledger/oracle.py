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

    def replay(self, *limits: int) -> "Replay":
        """A judge of what somebody with these limits is answered, to be shown one attempt after the other."""
        return Replay(self, tuple(Budget(self, limit) for limit in limits))


@dataclass
class Budget:
    """One limit in its present window; `used` is what was taken from it."""

    oracle: Oracle
    limit: int
    used: Span = NOTHING
    _needs: dict[int | None, Span] = field(default_factory=dict)

    def need(self, size: int | None) -> Span:
        """Tokens that a request of that size needs, as far as answers have not narrowed it."""
        return self._needs.get(size) or self.oracle.need(self.limit, size)

    def must_admit(self, size: int | None) -> bool:
        """Whether it has room whatever the need is."""
        return self.used.most + self.need(size).most <= self.limit

    def may_admit(self, size: int | None) -> bool:
        """Whether some need leaves room."""
        return self.used.least + self.need(size).least <= self.limit

    def learn(self, size: int | None, *, admitted: bool) -> None:
        """Narrow the need by an answer that this budget decided."""
        if not self.oracle.steady or self.used.least != self.used.most:
            return
        left, need = self.limit - self.used.least, self.need(size)
        bounds = (need.least, min(need.most, left)) if admitted else (max(need.least, left + 1), need.most)
        self._needs[size] = Span(*bounds)

    def take(self, charge: Span) -> None:
        """Charge an answer."""
        self.used = Span(self.used.least + charge.least, self.used.most + charge.most)

    def edit(self, limit: int) -> None:
        """Another amount for the same window: what was used stays used, but needs may follow the limit."""
        self.limit = limit
        self._needs.clear()

    def renew(self) -> None:
        """The window has passed: what was used, and what was overdrawn, is forgotten."""
        self.used = NOTHING

    def __str__(self) -> str:
        return f"{self.used} of {self.limit}"


@dataclass
class Replay:
    """Judges attempts that were made one after the other; several budgets apply together, and each is charged."""

    oracle: Oracle
    budgets: tuple[Budget, ...]
    count: int = 0

    def take(self, attempt: Attempt) -> Contradiction | None:
        """The next attempt; None when the model allows it. Raises ValueError when an admitted one has no cost."""
        self.count += 1
        size = attempt.size
        if attempt.admitted:
            over = [budget for budget in self.budgets if not budget.may_admit(size)]
            if over:
                return self._contradiction(attempt, over)
            charge = self.oracle.charge(attempt)
            for budget in self.budgets:
                budget.learn(size, admitted=True)
                budget.take(charge)
            return None
        exhausted = [budget for budget in self.budgets if not budget.must_admit(size)]
        if not exhausted:
            return self._contradiction(attempt, list(self.budgets))
        if len(exhausted) == 1:
            exhausted[0].learn(size, admitted=False)
        return None

    def _contradiction(self, attempt: Attempt, budgets: list[Budget]) -> Contradiction:
        charged = " and ".join(str(budget) for budget in budgets)
        needs = " and ".join(dict.fromkeys(str(budget.need(attempt.size)) for budget in budgets))
        ahead = "" if needs == "1" else f", and {needs} needed for it ({self.oracle.admission})"
        return Contradiction(
            self.count,
            f"{_WORDS[not attempt.admitted]} for request {self.count}, with {charged} tokens charged before it{ahead}",
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
