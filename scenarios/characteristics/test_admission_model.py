"""How the platform admits requests whose cost nobody knows yet, and what becomes of budgets: measured, published, held to the model."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.ledger.attempt import Span
from harness.world.caller import Caller
from harness.world.detection import FITTING, SIZE, measured
from harness.world.expectations import describe, expect, expect_equal, expect_served
from harness.world.flight import Flights
from harness.world.inference import Ask
from harness.world.lent import MODEST, spendable
from harness.world.patience import until
from harness.world.quota import oracle, spend, spend_on
from harness.world.world import World

RELEASED = Bound("a hold ends with its stream", 5)


@check("MAAS-RATE-002", needs={"kube"})
def test_the_admission_model_is_the_one_that_was_declared(world: World) -> None:
    found = measured(world)
    world.wire.recorder.characteristic("admission_model", 1, found)
    expect_equal(found, oracle().admission, of="how requests are admitted, measured against declared")


@check("MAAS-RATE-002", needs={"kube"})
def test_one_large_request_overshoots_by_no_more_than_itself(world: World) -> None:
    limit, large = 100, Ask(max_tokens=1000)
    customer = world.customer(limit=limit)
    spending = spend(lambda: customer.infer(large), limit=limit)
    world.wire.recorder.characteristic(
        "overshoot_of_one_request", max(spending.used - limit, 0), "tokens over a hundred"
    )


def burst(customer: Caller, parallel: int) -> list[Exchange]:
    """That many requests at the same moment; all but 200 and 429 is a finding."""
    customer.credential.secret()
    together = Barrier(parallel)

    def one(_number: int) -> Exchange:
        together.wait()
        return customer.infer()

    with ThreadPoolExecutor(parallel) as pool:
        answers = list(pool.map(one, range(parallel)))
    for answer in answers:
        expect(
            answer.status in (200, 429),
            expected=f"200 or 429 for each of {parallel} parallel requests",
            observed=describe(answer),
            exchange=answer,
        )
    return answers


@pytest.mark.parametrize("parallel", [5, 20, 40])
@check("MAAS-RATE-003", needs={"kube"})
def test_a_burst_is_served_within_the_band_of_the_model(world: World, parallel: int) -> None:
    customer = spendable(world).caller
    answers = burst(customer, parallel)
    costs = [answer.usage.total_tokens for answer in answers if answer.status == 200 and answer.usage]
    expect(bool(costs), expected="one request of the burst served at the least", observed="none", exchange=answers[0])
    band = oracle().burst(MODEST, max(costs), parallel, size=max(costs))
    expect(
        len(costs) in band, expected=f"{band} of {parallel} parallel requests served", observed=f"{len(costs)} served"
    )
    overshoot = max(sum(costs) - MODEST, 0)
    world.wire.recorder.characteristic(f"overshoot_of_a_burst_of_{parallel}", overshoot, f"tokens over {MODEST}")
    replay = oracle().replay(MODEST)
    replay.budgets[0].take(Span(sum(costs), sum(costs)))
    rest = spend_on(replay, customer.infer)
    expect(
        sum(costs) < MODEST or not rest.allowed,
        expected="429 once the burst has spent the budget",
        observed=f"{len(rest.allowed)} requests served",
        exchange=rest.refusal,
    )


@check("MAAS-RATE-003", needs={"kube"})
def test_streams_that_run_at_once_take_of_a_budget_what_the_model_says(world: World) -> None:
    limit = FITTING * 2 * SIZE
    customer = world.customer(limit=limit)
    customer.credential.secret()
    with Flights(customer) as flights:
        refused = flights.fill(2 * FITTING + 1)
        most = len(flights)
        world.wire.recorder.characteristic("streams_at_once", most, f"of {SIZE} tokens on a budget of {limit}")
        if oracle().admission != "reservation":
            expect_equal(refused, None, of="the status that refused a stream before any token was charged")
        else:
            expect_equal(refused, 429, of=f"the status that refused one of {2 * FITTING + 1} streams")
            expect(most > 0, expected="one stream at the least", observed="none")
            flights.end()
            until(flights.start, lambda status: status == 200, RELEASED)
            expect_equal(flights.start(), 429, of="the status of a stream more than ran before")
            expect(len(flights) <= most, expected=f"at most {most} at once", observed=f"{len(flights)}")
    answer, seconds = until(customer.infer, lambda seen: seen.status == 200, RELEASED)
    expect_served(answer, when="all streams have ended and most of the budget is left")
    world.wire.recorder.characteristic("hold_released", seconds, "s")
