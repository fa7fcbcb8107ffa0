"""Spending a budget and judging how the platform counted, by the oracle's replay and never by a number of requests.

A process judges one platform, so how that platform admits requests is known once for all its checks: `judge_by` is told where it is
found out, and asked when the first budget is spent.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import orjson

from harness.client.exchange import Exchange
from harness.engine.failure import NotConformant, NotReady
from harness.ledger.attempt import Attempt
from harness.ledger.oracle import ORACLES, Oracle, Replay
from harness.platforms.platform import Admission
from harness.world.expectations import describe, quota_refusal
from harness.world.world import World

_MOST_REQUESTS = 2000
_MAXIMA = ("max_completion_tokens", "max_tokens", "max_output_tokens")


class _Knowledge:
    """How the platform under test admits requests, found out when it is first asked."""

    def __init__(self) -> None:
        self.find: Callable[[], Admission] = lambda: "check-then-report"


_knowledge = _Knowledge()


def judge_by(find: Callable[[], Admission]) -> None:
    """Judge the budgets of this process by the admission model that `find` names; it is called whenever one is spent."""
    _knowledge.find = find


def oracle() -> Oracle:
    """What the platform under test promises about a budget."""
    return ORACLES[_knowledge.find()]


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


def spend(send: Callable[[], Exchange], *, limit: int, requirement: str | None = None) -> Spending:
    """Send until refused with 429; the platform must refuse where its admission model does, not before and not after.

    Raises NotConformant otherwise, and when an answer states no usage: an uncountable budget is never exhausted.
    """
    return spend_on(oracle().replay(limit), send, requirement=requirement)


def spend_on(replay: Replay, send: Callable[[], Exchange], *, requirement: str | None = None) -> Spending:
    """The same on a replay, which may have several limits, and a past."""
    exchanges: list[Exchange] = []
    for _ in range(_MOST_REQUESTS):
        exchanges.append(send())
        judge(replay, exchanges, requirement=requirement)
        if exchanges[-1].status == 429:
            return Spending(tuple(exchanges))
    limits = ", ".join(str(budget.limit) for budget in replay.budgets)
    raise NotReady(f"a limit of {limits} tokens takes more than {_MOST_REQUESTS} requests: choose larger answers")


def expect_admission(limit: int, exchanges: Sequence[Exchange]) -> None:
    """All answers so far, in one window and one after the other, are those that the platform's admission model gives."""
    replay = oracle().replay(limit)
    for number in range(1, len(exchanges) + 1):
        judge(replay, exchanges[:number])


def judge(replay: Replay, exchanges: Sequence[Exchange], *, requirement: str | None = None) -> None:
    """The last answer, after all before it were shown to the replay. Raises NotConformant, and NotReady when nothing came."""
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
    wrong = replay.take(attempt_of(last, prompt_tokens(exchanges)))
    if wrong is not None:
        raise NotConformant(expected=wrong.expected, observed=describe(last), exchange=last, requirement=requirement)
    shape = quota_refusal(last) if last.status == 429 else None
    if shape is not None:
        raise NotConformant(
            expected="a 429 that speaks of a limit", observed=f"{shape}: {describe(last)}", exchange=last,
            requirement="MAAS-RATE-005",
        )  # fmt: skip


def once_edited(world: World, send: Callable[[], Exchange]) -> Exchange:
    """The first answer after a limit was edited; how long it took is published, 0 where there was nothing to wait for.

    Until caches have heard of the edit a platform may refuse with 403, which costs nothing; whoever waits for the status cannot see that.
    """
    answer, seconds = send(), 0.0
    if answer.status == 403:
        answer, seconds = world.until(send, lambda seen: seen.status != 403)
    world.wire.recorder.characteristic("refused_after_an_edit", seconds, "s")
    return answer


def attempt_of(exchange: Exchange, prompt: int = 0) -> Attempt:
    """An exchange as the oracle sees it; `prompt` is what a refused request's prompt would have cost."""
    most = maximum(exchange)
    own = exchange.usage.prompt_tokens if exchange.usage else prompt
    return Attempt(
        exchange.status == 200,
        exchange.usage.total_tokens if exchange.usage else None,
        None if most is None else own + most,
    )


def prompt_tokens(exchanges: Iterable[Exchange]) -> int:
    """The largest prompt that an answer has stated."""
    return max((exchange.usage.prompt_tokens for exchange in exchanges if exchange.usage), default=0)


def maximum(exchange: Exchange) -> int | None:
    """How many tokens the request allowed the model to generate; None where it named no maximum."""
    try:
        body = orjson.loads(exchange.request.body or b"null")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict):
        return None
    named = (body.get(name) for name in _MAXIMA)
    return next((most for most in named if isinstance(most, int) and most > 0), None)
