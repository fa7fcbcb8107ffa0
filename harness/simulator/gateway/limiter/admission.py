"""May this request start, and what did it cost: the decisions of the limiter, apart from any transport."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.simulator.gateway.limiter.counters import Counter, Counters
from harness.simulator.gateway.limiter.holds import Holds
from harness.simulator.gateway.limiter.limits import Limit
from harness.simulator.gateway.limiter.metrics import TokenMetrics
from harness.simulator.gateway.predicate import Facts

SUBSCRIPTION_KEY = "selected_subscription_key"
MEMO_SIZE = 65_536
Used = Callable[[Counter], int]


class UnknownDomainError(LookupError):
    """No limits are known for the route: the limiter has not been told about it (yet, or since it restarted)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who asks and for what, as the descriptor says: the identity's fields and the path, in a form that can be looked up."""

    domain: str
    identity: tuple[tuple[str, str], ...]
    path: str

    def fields(self) -> dict[str, str]:
        """The identity as a mapping."""
        return dict(self.identity)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The counters that apply to a subject; `unlimited` when some limit addresses the request but none this identity."""

    counters: tuple[Counter, ...]
    unlimited: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the request may start; when not, which limit is exhausted."""

    allowed: bool
    limit: str | None = None


def addresses(limit: Limit, facts: Facts) -> bool:
    """Whether the limit would hold for this request under an identity that it names itself.

    The subscriptions a limit names are string literals of its conditions, so each literal is tried as the selected subscription. It
    tells a request that is exempt by its path (model listing) from one whose subscription no limit knows; the second must not be
    unlimited.
    """
    literals = {text for condition in limit.conditions for text in re.findall(r'"([^"]*)"', condition)}
    for literal in literals or {""}:
        imagined = Facts({**facts.identity, SUBSCRIPTION_KEY: literal}, facts.path, facts.method)
        if all(imagined.holds(condition) for condition in limit.conditions):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for on arrival, where that counts: its id, and the tokens it may generate."""

    request: str
    tokens: int

    def share_of(self, limit: Limit) -> int:
        """What it asks of one limit: at least a token, and at most half of the limit, so that a small budget buys a large answer too."""
        return max(1, min(self.tokens, limit.max_value // 2))


class Admission:
    """Check-then-report: a check denies when used >= limit on any counter; a report charges every counter without a cap.

    A check with a wish denies when used + held + wished > limit. With `holds` (reservation) it then holds what was wished until the
    stream is done; without (estimate) the wish is forgotten. `unnamed_pass` repeats upstream's weakness: whoever none of a route's
    limits names is unlimited.
    """

    def __init__(
        self, counters: Counters, metrics: TokenMetrics, holds: Holds | None = None, *, unnamed_pass: bool = False
    ) -> None:
        self._unnamed_pass = unnamed_pass
        self._holds = holds
        self._counters = counters
        self._metrics = metrics
        self._limits: dict[str, tuple[Limit, ...]] = {}
        self._memo: dict[Subject, Resolution] = {}
        self.revision = 0

    def replace(self, limits: Mapping[str, tuple[Limit, ...]]) -> int:
        """Put a whole set of limits in force at once; counters of limits that stay keep what was used. Returns the revision."""
        self._limits = dict(limits)
        self._memo.clear()
        self._counters.keep_only({limit.identity for group in limits.values() for limit in group})
        self.revision += 1
        return self.revision

    @property
    def limits(self) -> Mapping[str, tuple[Limit, ...]]:
        """What is in force."""
        return self._limits

    def check(
        self, subject: Subject, labels: Mapping[str, str], wish: Wish | None = None, used: Used | None = None
    ) -> Verdict:
        """Whether the request may start. Charges nothing and opens no window. Raises UnknownDomainError.

        `used` says what was used where the counters are not this process's own.
        """
        resolution = self.resolve(subject)
        spent = used or self._counters.used
        exhausted = next((found for found in resolution.counters if self._exhausted(found, wish, spent(found))), None)
        if self._holds is not None and wish is not None and exhausted is None:
            shares = tuple((counter.key, wish.share_of(counter.limit)) for counter in resolution.counters)
            self._holds.place(wish.request, shares)
        return self.decide(subject, resolution, exhausted, labels)

    def decide(
        self, subject: Subject, resolution: Resolution, exhausted: Counter | None, labels: Mapping[str, str]
    ) -> Verdict:
        """The verdict that follows from which counter is exhausted, counted in the metrics; listing is neither limited nor counted."""
        if not resolution.counters and not resolution.unlimited:
            return Verdict(allowed=True)
        if exhausted is None and not resolution.unlimited:
            self._metrics.called(subject.domain, labels)
            return Verdict(allowed=True)
        self._metrics.limited(subject.domain, labels)
        return Verdict(allowed=False, limit=exhausted.limit.name if exhausted else "no limit names this subscription")

    def release(self, request: str) -> None:
        """The stream of a request is done: what it held is free, whether it was charged or not."""
        if self._holds is not None:
            self._holds.release(request)

    def _exhausted(self, counter: Counter, wish: Wish | None, used: int) -> bool:
        if wish is None:
            return used >= counter.limit.max_value
        held = self._holds.held(counter.key) if self._holds is not None else 0
        return used + held + wish.share_of(counter.limit) > counter.limit.max_value

    def report(self, subject: Subject, tokens: int, labels: Mapping[str, str]) -> None:
        """Charge a finished response. Raises UnknownDomainError."""
        counters, amount = self.book(subject, tokens, labels)
        for counter in counters:
            self._counters.charge(counter, amount)

    def book(self, subject: Subject, tokens: int, labels: Mapping[str, str]) -> tuple[tuple[Counter, ...], int]:
        """Count a finished response in the metrics; what to charge, and how much. No tokens cost 1, as in Limitador."""
        resolution = self.resolve(subject)
        amount = max(tokens, 1)
        if resolution.counters:
            self._metrics.hit(subject.domain, labels, amount)
        return resolution.counters, amount

    def resolve(self, subject: Subject) -> Resolution:
        """Which counters apply. Raises UnknownDomainError."""
        known = self._memo.get(subject)
        if known is not None:
            return known
        limits = self._limits.get(subject.domain)
        if limits is None:
            raise UnknownDomainError(
                f"no limits are known for the route {subject.domain}; the gateway controller sends them"
            )
        facts = Facts(subject.fields(), subject.path)
        counters = tuple(found for limit in limits if (found := counter_of(limit, facts)) is not None)
        resolution = Resolution(
            counters, not counters and not self._unnamed_pass and any(addresses(limit, facts) for limit in limits)
        )
        if len(self._memo) >= MEMO_SIZE:
            self._memo.clear()
        self._memo[subject] = resolution
        return resolution


def counter_of(limit: Limit, facts: Facts) -> Counter | None:
    """The counter the limit keeps for this request, None where the limit does not apply to it."""
    if not all(facts.holds(condition) for condition in limit.conditions):
        return None
    values = [facts.value_of(variable) for variable in limit.variables]
    if any(value is None for value in values):
        return None
    subscription = facts.identity.get(SUBSCRIPTION_KEY, "").partition("@")[0]
    return Counter(limit, tuple(str(value) for value in values), subscription)
