"""Spending a budget and judging how the platform counted, by the oracle's replay and never by a number of requests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.client.exchange import Exchange
from harness.engine.failure import NotConformant, NotReady
from harness.ledger.oracle import Attempt, check_then_report
from harness.world.expectations import describe, quota_refusal

_MOST_REQUESTS = 2000


@dataclass(frozen=True, slots=True)
class Spending:
    """What was sent, one after the other, until the platform refused."""

    exchanges: tuple[Exchange, ...]

    @property
    def used(self) -> int:
        """Tokens of all answers."""
        return sum(exchange.usage.total_tokens for exchange in self.exchanges if exchange.usage)

    @property
    def allowed(self) -> tuple[Exchange, ...]:
        """The answers that were served."""
        return tuple(exchange for exchange in self.exchanges if exchange.status == 200)

    @property
    def refusal(self) -> Exchange:
        """The one that ended it."""
        return self.exchanges[-1]


def spend(send: Callable[[], Exchange], *, limit: int) -> Spending:
    """Send until refused with 429; the platform must refuse at the request that the oracle names, not before and not after.

    Raises NotConformant otherwise, and when an answer states no usage: an uncountable budget is never exhausted.
    """
    exchanges: list[Exchange] = []
    for _ in range(_MOST_REQUESTS):
        exchanges.append(send())
        expect_admission(limit, exchanges)
        if exchanges[-1].status == 429:
            return Spending(tuple(exchanges))
    raise NotReady(f"a limit of {limit} tokens takes more than {_MOST_REQUESTS} requests: choose larger answers")


def expect_admission(limit: int, exchanges: Sequence[Exchange]) -> None:
    """All answers so far, in one window, are those of check-then-report: 200 exactly while fewer tokens than the limit are charged."""
    last = exchanges[-1]
    if last.status is None:
        raise NotReady(f"no answer while a budget was being spent: {last.error}")
    if last.status not in (200, 429):
        raise NotConformant(expected="200 or 429 while a budget is being spent", observed=describe(last), exchange=last)
    if last.status == 200 and last.usage is None:
        raise NotConformant(
            expected="an answer that states its usage, so that it can be charged",
            observed=f"{describe(last)}, without usage",
            exchange=last,
            requirement="MAAS-TOK-001",
        )
    wrong = check_then_report(limit, [attempt_of(exchange) for exchange in exchanges])
    if wrong is not None:
        number = wrong.number - 1
        raise NotConformant(expected=wrong.expected, observed=describe(exchanges[number]), exchange=exchanges[number])
    if last.status == 429:
        shape = quota_refusal(last)
        if shape is not None:
            raise NotConformant(
                expected="a 429 that speaks of a limit", observed=f"{shape}: {describe(last)}", exchange=last,
                requirement="MAAS-RATE-005",
            )  # fmt: skip


def attempt_of(exchange: Exchange) -> Attempt:
    """An exchange as the oracle sees it."""
    return Attempt(exchange.status == 200, exchange.usage.total_tokens if exchange.usage else None)
