"""Three limits of very different length on one budget: each window ends by itself, and the longest remembers what the others forget."""

import time
from functools import partial

import pytest

from harness.engine.declaration import check
from harness.engine.failure import NotReady
from harness.world.clock import Clock
from harness.world.expectations import expect, expect_served
from harness.world.governance import Rate
from harness.world.inference import Ask
from harness.world.quota import judge, oracle, spend, spend_on
from harness.world.world import World

RATES = (Rate(40, "1m"), Rate(100, "10m"), Rate(150, "24h"))
MOST_PASSES = 20
EDGE_S = 5.0
"""How near to its end a window is looked at: one call must fit, on a machine that is busy."""
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
    """Judged within `EDGE_S` of its end, on either side: the time that the check itself takes is taken off what the clock is advanced."""
    who = world.identity()
    subscription = world.subscription(who, limit=70, window=window)
    world.policy(who)
    caller = world.subscriber(who, subscription)
    caller.credential.secret()
    replay = oracle().replay(70)
    started = time.monotonic()
    spending = spend_on(replay, partial(caller.infer, ASK), requirement="MAAS-RATE-004")
    near = time.monotonic()
    clock.advance(subscription, length - EDGE_S - (near - started))
    inside = caller.infer(ASK)
    if (took := time.monotonic() - near) > EDGE_S / 2:
        raise NotReady(f"a call took {took:.1f} s, so the window may have ended meanwhile")
    judge(replay, [inside], requirement="MAAS-RATE-004")
    clock.advance(subscription, EDGE_S + 1 + spending.exchanges[0].duration_s)
    spend(partial(caller.infer, ASK), limit=70, requirement="MAAS-RATE-004")
