"""The oracle against limiters that are written down here once more, each in the simplest way, and against the same ones with a defect."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger.attempt import Attempt, Contradiction, Span
from harness.ledger.oracle import ORACLES
from harness.platforms.platform import Admission

PROMPT = 9
Asks = list[tuple[int, int]]
"""(max_tokens, generated) of each request."""


@dataclass
class Limiter:
    """`need(limit, max_tokens)` tokens must be left; `charge(max_tokens, cost)` is what is taken. `late` moves the bound."""

    limit: int
    need: Callable[[int, int], int]
    charge: Callable[[int, int], int] = lambda asked, cost: cost
    late: int = 0
    leak: bool = False
    used: int = 0
    held: int = 0

    def answer(self, asked: int, generated: int) -> Attempt:
        need = self.need(self.limit, asked)
        admitted = self.used + self.held + need <= self.limit + self.late
        if not admitted:
            return Attempt(False, None, PROMPT + asked)
        cost = PROMPT + generated
        self.used += self.charge(asked, cost)
        self.held += need if self.leak else 0
        return Attempt(True, cost, PROMPT + asked)


def one(limit: int, asked: int) -> int:
    return 1


def flat_half(limit: int, asked: int) -> int:
    return max(1, min(5000, limit // 2))


def asked_half(limit: int, asked: int) -> int:
    return max(1, min(asked, limit // 2))


def asked_whole(limit: int, asked: int) -> int:
    return asked


def prompt_and_asked(limit: int, asked: int) -> int:
    return PROMPT + asked


MODELS: list[tuple[Admission, Callable[[int, int], int], Callable[[int, int], int]]] = [
    ("check-then-report", one, lambda asked, cost: cost),
    ("reservation", flat_half, lambda asked, cost: cost),
    ("reservation", asked_half, lambda asked, cost: cost),
    ("reservation", asked_whole, lambda asked, cost: cost),
    ("reservation", prompt_and_asked, lambda asked, cost: cost),
    ("estimate", asked_half, lambda asked, cost: cost),
    ("estimate", prompt_and_asked, lambda asked, cost: cost),
    ("estimate", prompt_and_asked, lambda asked, cost: PROMPT + asked),
    ("estimate", lambda limit, asked: 2 * (PROMPT + asked), lambda asked, cost: 2 * (PROMPT + asked)),
]
limits = st.one_of(st.integers(1, 300), st.sampled_from([100, 10_000, 100_000]))
asks = st.lists(
    st.integers(1, 5_000).flatmap(lambda most: st.tuples(st.just(most), st.integers(1, most))), min_size=1, max_size=60
)


def judged(admission: Admission, limit: int, attempts: list[Attempt]) -> Contradiction | None:
    replay = ORACLES[admission].replay(limit)
    return next((wrong for attempt in attempts if (wrong := replay.take(attempt))), None)


@pytest.mark.parametrize(("admission", "need", "charge"), MODELS)
@given(limit=limits, wanted=asks)
def test_a_limiter_of_the_model_is_never_contradicted(admission, need, charge, limit, wanted):
    limiter = Limiter(limit, need, charge)
    assert judged(admission, limit, [limiter.answer(*ask) for ask in wanted]) is None


@pytest.mark.parametrize(("admission", "need", "charge"), MODELS)
@given(limit=limits, wanted=asks)
def test_nobody_is_admitted_whose_budget_is_spent(admission, need, charge, limit, wanted):
    limiter = Limiter(limit, need, charge)
    attempts = [limiter.answer(*ask) for ask in wanted]
    spent = sum(ORACLES[admission].charge(one).least for one in attempts if one.admitted)
    wrong = judged(admission, limit, [*attempts, Attempt(True, 1, None)])
    assert (wrong is not None) == (spent >= limit)


@given(limit=st.integers(1, 10_000), wanted=asks, data=st.data())
def test_one_answer_of_check_then_report_turned_round_is_noticed_there(limit, wanted, data):
    limiter = Limiter(limit, one)
    attempts = [limiter.answer(*ask) for ask in wanted]
    place = data.draw(st.integers(0, len(attempts) - 1))
    attempts[place] = Attempt(not attempts[place].admitted, 1)
    wrong = judged("check-then-report", limit, attempts)
    assert wrong is not None
    assert wrong.number == place + 1


@pytest.mark.parametrize("limit", [100, 10_000, 100_000])
def test_one_token_too_late_is_noticed_where_the_budget_is_a_multiple_of_the_cost(limit):
    limiter = Limiter(limit, one, late=1)
    generated = limit // 10 - PROMPT if limit > 100 else 25 - PROMPT
    attempts = [limiter.answer(generated, generated) for _ in range(12)]
    wrong = judged("check-then-report", limit, attempts)
    assert wrong is not None
    assert f"429 for request {wrong.number}, with {limit} of {limit}" in wrong.expected


def test_one_token_too_early_is_noticed_where_one_token_is_left():
    limiter = Limiter(100, one, late=-1)
    attempts = [limiter.answer(generated, generated) for generated in (90, 1)]
    wrong = judged("check-then-report", 100, attempts)
    assert wrong is not None
    assert wrong.number == 2
    assert "200 for request 2, with 99 of 100" in wrong.expected


@pytest.mark.parametrize("need", [flat_half, asked_half, asked_whole])
def test_a_reservation_that_admits_with_nothing_left_is_noticed(need):
    limiter = Limiter(100, need, late=100)
    attempts = [limiter.answer(11, 11) for _ in range(20)]
    assert sum(attempt.admitted for attempt in attempts) > 5
    wrong = judged("reservation", 100, attempts)
    assert wrong is not None
    assert wrong.number == 6


@pytest.mark.parametrize("need", [flat_half, asked_half])
@pytest.mark.parametrize("limit", [100, 10_000, 100_000])
def test_a_hold_that_is_never_released_is_noticed(need, limit):
    limiter = Limiter(limit, need, leak=True)
    attempts = [limiter.answer(limit // 4, 1) for _ in range(30)]
    wrong = judged("reservation", limit, attempts)
    assert wrong is not None
    assert "200 for request" in wrong.expected


def test_a_need_that_was_seen_holds_for_requests_of_that_size_and_no_others():
    replay = ORACLES["reservation"].replay(100)
    assert replay.take(Attempt(True, 60, 20)) is None
    assert replay.take(Attempt(False, None, 50)) is None  # 50 may hold more than the 40 that are left
    assert replay.take(Attempt(True, 10, 20)) is None  # 20 need at most those 40
    assert replay.take(Attempt(True, 10, 20)) is None  # and now at most 30
    wrong = replay.take(Attempt(True, 5, 50))
    assert wrong is not None
    assert "between 41 and 50 needed" in wrong.expected


@pytest.mark.parametrize(
    ("limit", "admitted", "number"),
    [
        (10, [True, True, False], None),  # 5, 5: the third finds 10 of 10 spent
        (10, [True, True, True], 3),  # > instead of >=
        (11, [True, True, False], 3),  # refused although a token is left
        (1, [True, False], None),  # however large the request
    ],
)
def test_calls_of_five_tokens(limit, admitted, number):
    wrong = judged("check-then-report", limit, [Attempt(answer, 5) for answer in admitted])
    assert (wrong.number if wrong else None) == number


def test_the_budget_of_a_hundred_with_answers_of_ten_tokens_is_six_requests_where_half_is_held():
    limiter = Limiter(100, flat_half)
    attempts = [limiter.answer(1, 1) for _ in range(12)]
    assert [attempt.admitted for attempt in attempts].count(True) == 6
    assert judged("reservation", 100, attempts) is None
    assert judged("check-then-report", 100, attempts) is not None


@pytest.mark.parametrize("admission", ["check-then-report", "reservation", "estimate"])
def test_an_unknown_cost_cannot_be_judged(admission):
    with pytest.raises(ValueError, match="states no usage"):
        judged(admission, 10, [Attempt(True, None)])


@pytest.mark.parametrize(
    ("admission", "limit", "cost", "bounds"),
    [
        ("check-then-report", 70, 16, Span(5, 20)),
        ("check-then-report", 64, 16, Span(4, 20)),
        ("check-then-report", 1, 16, Span(1, 20)),
        ("check-then-report", 10_000, 16, Span(20, 20)),
        ("reservation", 70, 16, Span(2, 20)),
        ("reservation", 8, 16, Span(1, 8)),
        ("reservation", 10_000, 16, Span(2, 20)),
        ("estimate", 70, 16, Span(2, 20)),
    ],
)
def test_bounds_of_a_burst(admission, limit, cost, bounds):
    assert ORACLES[admission].burst(limit, cost, 20) == bounds


@pytest.mark.parametrize("admission", ["check-then-report", "reservation", "estimate"])
def test_free_requests_bound_nothing(admission):
    with pytest.raises(ValueError, match="positive"):
        ORACLES[admission].burst(10, 0, 20)


@given(limit=st.integers(2, 2_000), cost=st.integers(1, 300), asked=st.integers(1, 300), data=st.data())
def test_a_burst_at_a_reservation_stays_within_its_bounds_in_every_order_of_ends(limit, cost, asked, data):
    """Each request arrives (holds) and ends (settles) in an order that is drawn."""
    hold, used, running, served, waiting = asked_half(limit, asked), 0, 0, 0, 12
    while waiting or running:
        if waiting and (not running or data.draw(st.booleans())):
            waiting -= 1
            if used + running * hold + hold <= limit:
                running, served = running + 1, served + 1
        else:
            running, used = running - 1, used + cost
    assert served in ORACLES["reservation"].burst(limit, cost, 12, size=PROMPT + asked)


@given(
    wanted=st.lists(st.integers(1, 60), max_size=80),
    short=st.integers(1, 100),
    long=st.integers(1, 400),
    data=st.data(),
)
def test_of_two_limits_each_is_charged_and_the_first_to_be_spent_refuses(wanted, short, long, data):
    used = [0, 0]
    replay = ORACLES["check-then-report"].replay(short, long)
    for cost in wanted:
        if data.draw(st.booleans()):
            used[0] = 0
            replay.budgets[0].renew()
        admitted = used[0] < short and used[1] < long
        used = [amount + cost for amount in used] if admitted else used
        assert replay.take(Attempt(admitted, cost)) is None


def test_a_limit_that_is_not_charged_while_the_other_refuses_or_not_enforced_at_all_is_noticed():
    replay = ORACLES["check-then-report"].replay(10, 25)
    assert [replay.take(Attempt(True, 10)), replay.take(Attempt(False))] == [None, None]
    replay.budgets[0].renew()
    assert replay.take(Attempt(True, 20)) is None
    replay.budgets[0].renew()
    wrong = replay.take(Attempt(True, 10))
    assert wrong is not None
    assert "429 for request 4, with 30 of 25 tokens" in wrong.expected


def test_an_edited_amount_keeps_what_was_used_and_forgets_what_was_known_of_needs():
    replay = ORACLES["reservation"].replay(100)
    (budget,) = replay.budgets
    assert replay.take(Attempt(True, 60, 20)) is None
    assert replay.take(Attempt(False, None, 20)) is None
    budget.edit(400)
    assert replay.take(Attempt(False, None, 20)) is not None  # 340 are left, and nobody needs more than 200
    assert replay.take(Attempt(True, 300, 20)) is None
    budget.edit(360)
    assert replay.take(Attempt(True, 1, 20)) is not None
