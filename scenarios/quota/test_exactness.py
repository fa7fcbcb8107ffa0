"""Budgets that are met exactly: at the last token the platform refuses, and one token before it does not.

Every request of a check is the same, so its cost is known before the budget is made, and the budget is a multiple of it.
"""

import pytest

from harness.engine.declaration import check
from harness.world.caller import Caller
from harness.world.expectations import expect, expect_equal, expect_refused, expect_served, quota_refusal
from harness.world.inference import Ask
from harness.world.quota import oracle, spend
from harness.world.world import World

BUDGETS = [
    pytest.param(100, 5, id="100-tokens"),
    pytest.param(10_000, 5, id="10000-tokens"),
    pytest.param(100_000, 20, id="100000-tokens"),
]


def ask_of(caller: Caller, wanted: int, *, stream: bool = False) -> tuple[Ask, int]:
    """A request that costs as many tokens as wanted, as far as the model generates what it is asked for; and what it really costs."""
    shortest = expect_served(caller.infer(Ask(max_tokens=1)))
    assert shortest.usage is not None
    ask = Ask(
        max_tokens=max(wanted - shortest.usage.prompt_tokens, 1), stream=stream, include_usage=True if stream else None
    )
    answer = expect_served(caller.infer(ask))
    expect(answer.usage is not None, expected="an answer that states its usage", observed="none", exchange=answer)
    assert answer.usage is not None
    return ask, answer.usage.total_tokens


@pytest.mark.parametrize(("limit", "requests"), BUDGETS)
@check("MAAS-RATE-002", "MAAS-TOK-001", needs={"kube"})
def test_a_budget_of_k_requests_buys_k_requests(world: World, limit: int, requests: int) -> None:
    ask, cost = ask_of(world.anybody(), limit // requests)
    customer = world.customer(limit=requests * cost)
    spending = spend(lambda: customer.infer(ask), limit=requests * cost)
    steady = all(answer.usage and answer.usage.total_tokens == cost for answer in spending.allowed)
    world.wire.recorder.characteristic("budget_met_exactly", float(spending.used == requests * cost), "times")
    if steady and oracle().admission == "check-then-report":
        expect_equal(len(spending.allowed), requests, of=f"requests of {cost} tokens each", exchange=spending.refusal)
    expect_refused(customer.infer(ask), 429, quota_refusal, when="the budget was met exactly and a request refused")


@check("MAAS-RATE-002", "MAAS-TOK-001", needs={"kube"})
def test_streams_meet_a_budget_exactly_too(world: World) -> None:
    ask, cost = ask_of(world.anybody(), 25, stream=True)
    customer = world.customer(limit=4 * cost)
    spend(lambda: customer.infer(ask), limit=4 * cost)


@check("MAAS-RATE-002", "MAAS-TOK-001", needs={"kube"})
def test_one_token_that_is_left_buys_one_request(world: World) -> None:
    ask, cost = ask_of(world.anybody(), 25)
    customer = world.customer(limit=4 * cost + 1)
    spending = spend(lambda: customer.infer(ask), limit=4 * cost + 1)
    expect(spending.used >= 2 * cost, expected=f"{2 * cost} tokens at the least", observed=f"{spending.used}")


@check("MAAS-TOK-001", "MAAS-RATE-001", needs={"kube"})
def test_a_budget_that_is_smaller_than_one_request_ends_with_it(world: World) -> None:
    ask, cost = ask_of(world.anybody(), 1000)
    customer = world.customer(limit=cost // 10)
    spending = spend(lambda: customer.infer(ask), limit=cost // 10)
    expect(
        len(spending.allowed) <= 1,
        expected="at most one request of ten times the budget",
        observed=f"{len(spending.allowed)}",
        exchange=spending.refusal,
    )
