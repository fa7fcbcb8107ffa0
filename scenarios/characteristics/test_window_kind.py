"""What kind of window a budget has: when it opens and whether it slides. A platform may choose; none may keep what is old."""

from harness.engine.declaration import check
from harness.kube.wait import Bound
from harness.world.books import charged
from harness.world.caller import Caller
from harness.world.clock import Clock
from harness.world.expectations import expect, expect_refused, expect_served, quota_refusal
from harness.world.governance import Rate
from harness.world.inference import Ask
from harness.world.patience import until
from harness.world.world import World

FIXED = "fixed, opened by the first charge"
SLIDING = "sliding"


@check("MAAS-RATE-004", needs={"kube"})
def test_what_was_spent_longer_ago_than_the_window_counts_no_more(world: World, clock: Clock) -> None:
    """Two requests, two thirds of a window apart, spend the budget; a third of a window later the first of them is too old to count.

    A window that was opened by the first charge ends then with all that it held; a sliding one drops the first charge alone; one that
    every charge opens anew still refuses, and is a broken promise.
    """
    seconds = 60 if clock.can_advance else 12
    ask = Ask(max_tokens=40)
    first = expect_served(world.anybody().infer(ask))
    assert first.usage is not None
    cost = first.usage.total_tokens
    who = world.identity()
    subscription = world.subscription(who, rates=[Rate(2 * cost, f"{seconds}s")])
    world.policy(who)
    caller = world.subscriber(who, subscription)
    expect_served(caller.infer(ask))
    await_counted(world, clock, caller, cost)
    clock.advance(subscription, seconds * 2 / 3)
    expect_served(caller.infer(ask), when="half of the budget is left")
    expect_refused(caller.infer(ask), 429, quota_refusal, when="both halves of the budget were spent in one window")
    clock.advance(subscription, seconds / 3 + 1)
    expect_served(caller.infer(ask), when="the first charge is older than the window")
    again = caller.infer(ask)
    expect(again.status in (200, 429), expected="200 or 429", observed=f"{again.status}", exchange=again)
    kind = FIXED if again.status == 200 else SLIDING
    world.wire.recorder.characteristic("window_kind", 1, kind)
    clock.advance(subscription, seconds + 1)
    expect_served(caller.infer(ask), when="nothing was spent for a whole window")


@check("MAAS-RATE-004", needs={"kube", "clock"})
def test_idle_time_before_the_first_charge_takes_nothing_from_the_window(world: World, clock: Clock) -> None:
    who = world.identity()
    subscription = world.subscription(who, limit=1, window="1m")
    world.policy(who)
    caller = world.subscriber(who, subscription)
    caller.credential.secret()
    clock.advance(subscription, 45)
    expect_served(caller.infer())
    await_counted(world, clock, caller, 1)
    clock.advance(subscription, 45)
    refused = caller.infer()
    expect(refused.status in (200, 429), expected="200 or 429", observed=f"{refused.status}", exchange=refused)
    aligned = refused.status == 200
    world.wire.recorder.characteristic("window_aligned_to_the_clock", float(aligned), "of 1")
    clock.advance(subscription, 61)
    expect_served(caller.infer(), when="a whole window has passed since the charge")


def await_counted(world: World, clock: Clock, caller: Caller, tokens: int) -> None:
    """Where time is advanced, wait until the charge is counted: a window opens then, which is a moment after the answer."""
    counters = world.estate.counters
    if clock.can_advance and counters is not None:
        bound = Bound("metrics_bound_s", world.wire.platform.parameters.metrics_bound_s)
        until(lambda: charged(counters.read(), caller.account()) or 0, lambda seen: seen >= tokens, bound)
