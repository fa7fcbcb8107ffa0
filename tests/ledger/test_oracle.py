import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.ledger.oracle import Attempt, check_then_report, concurrent_bounds


def play(limit: int, costs: list[int]) -> list[Attempt]:
    """What a limiter of that model answers."""
    used, attempts = 0, []
    for cost in costs:
        admitted = used < limit
        attempts.append(Attempt(admitted, cost if admitted else None))
        used += cost if admitted else 0
    return attempts


@given(limit=st.integers(1, 100_000), costs=st.lists(st.integers(1, 5_000), max_size=60))
def test_a_limiter_of_the_model_is_never_contradicted(limit, costs):
    assert check_then_report(limit, play(limit, costs)) is None


@given(limit=st.integers(1, 10_000), costs=st.lists(st.integers(1, 500), min_size=1, max_size=60), data=st.data())
def test_one_answer_turned_round_is_noticed_there(limit, costs, data):
    attempts = play(limit, costs)
    place = data.draw(st.integers(0, len(attempts) - 1))
    attempts[place] = Attempt(not attempts[place].admitted, 1)
    wrong = check_then_report(limit, attempts)
    assert wrong is not None
    assert wrong.number == place + 1


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
    wrong = check_then_report(limit, [Attempt(answer, 5) for answer in admitted])
    assert (wrong.number if wrong else None) == number


def test_an_unknown_cost_cannot_be_judged():
    with pytest.raises(ValueError, match="request 1"):
        check_then_report(10, [Attempt(True, None), Attempt(True, 5)])


@pytest.mark.parametrize(
    ("limit", "cost", "bounds"), [(70, 16, (5, 20)), (64, 16, (4, 20)), (1, 16, (1, 20)), (10_000, 16, (20, 20))]
)
def test_bounds_of_a_burst(limit, cost, bounds):
    assert concurrent_bounds(limit, cost, 20) == bounds


def test_free_requests_bound_nothing():
    with pytest.raises(ValueError, match="positive"):
        concurrent_bounds(10, 0, 20)
