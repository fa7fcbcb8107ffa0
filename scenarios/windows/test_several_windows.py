"""Three limits of very different length on one budget: each window ends by itself, and the longest remembers what the others forget."""

from functools import partial

import pytest

from harness.engine.declaration import check
from harness.world.clock import Clock
from harness.world.expectations import expect, expect_served
from harness.world.governance import Rate
from harness.world.inference import Ask
from harness.world.quota import oracle, spend, spend_on
from harness.world.world import World

RATES = (Rate(40, "1m"), Rate(100, "10m"), Rate(150, "24h"))
MOST_PASSES = 20
ASK = Ask(max_tokens=10)


@check("MAAS-RATE-011", "MAAS-RATE-004", needs={"kube", "clock"})
def test_three_windows_end_one_by_one(world: World, clock: Clock) -> None:
    who = world.identity()
    subscription = world.subscription(who, rates=RATES)
    world.policy(who)
    caller = world.subscriber(who, subscription)
    replay = oracle().replay(*(rate.limit for rate in RATES))
    level, deepest = 0, [0]
    for _ in range(MOST_PASSES):
        spending = spend_on(replay, caller.infer, requirement="MAAS-RATE-011")
        level = 0 if spending.allowed else level + 1
        if level == len(RATES) - 1:
            break
        clock.pass_window(subscription, RATES[level])
        for budget in replay.budgets[: level + 1]:
            budget.renew()
        deepest.append(level)
    expect(max(deepest) == 1, expected="the middle window to refuse once alone", observed=f"levels {deepest}")
    expect(level == len(RATES) - 1, expected="the longest window to refuse in the end", observed=f"levels {deepest}")
    clock.pass_window(subscription, RATES[-1])
    expect_served(caller.infer(), when="all windows have passed")


@pytest.mark.parametrize(("window", "length"), [("30s", 30), ("5m", 300), ("2h", 7200), ("24h", 86_400)])
@check("MAAS-RATE-004", needs={"kube", "clock"})
def test_a_window_is_as_long_as_it_says(world: World, clock: Clock, window: str, length: int) -> None:
    who = world.identity()
    subscription = world.subscription(who, limit=70, window=window)
    world.policy(who)
    caller = world.subscriber(who, subscription)
    replay = oracle().replay(70)
    spend_on(replay, partial(caller.infer, ASK), requirement="MAAS-RATE-004")
    clock.advance(subscription, length - max(15, length // 100))
    spend_on(replay, partial(caller.infer, ASK), requirement="MAAS-RATE-004")
    clock.advance(subscription, max(15, length // 100) + 1)
    spend(partial(caller.infer, ASK), limit=70, requirement="MAAS-RATE-004")
