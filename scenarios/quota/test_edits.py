"""Limits that are edited while their windows are open: what was used stays used, and the new amount counts from then on."""

from functools import partial

from harness.engine.declaration import check
from harness.world.clock import Clock
from harness.world.expectations import expect, expect_served, quota_refusal
from harness.world.governance import Rate
from harness.world.inference import Ask
from harness.world.quota import attempt_of, judge, once_edited, oracle, spend, spend_on
from harness.world.world import World

HOUR = "1h"
ASK = Ask(max_tokens=10)


@check("MAAS-RATE-021", "MAAS-RATE-020", needs={"kube"})
def test_every_edit_of_an_amount_counts_at_once_and_forgets_nothing(world: World) -> None:
    amounts = (150, 70, 300, 200, 400)
    who = world.identity()
    subscription = world.subscription(who, limit=amounts[0], window=HOUR)
    world.policy(who)
    send = partial(world.subscriber(who, subscription).infer, ASK)
    replay = oracle().replay(amounts[0])
    exchanges = []
    for _ in range(3):
        exchanges.append(send())
        judge(replay, exchanges)
    for amount in amounts[1:]:
        subscription = world.change_rates(subscription, Rate(amount, HOUR))
        replay.budgets[0].edit(amount)
        judge(replay, [once_edited(world, send)])
        spend_on(replay, send, requirement="MAAS-RATE-021")


@check("MAAS-RATE-011", "MAAS-RATE-021", needs={"kube"})
def test_a_limit_that_is_added_counts_from_nothing_and_the_old_one_goes_on(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who, limit=120, window=HOUR)
    world.policy(who)
    caller = world.subscriber(who, subscription)
    before = [expect_served(caller.infer(ASK)) for _ in range(2)]
    subscription = world.change_rates(subscription, Rate(120, HOUR), Rate(40, "24h"))
    replay = oracle().replay(120, 40)
    for answer in before:
        replay.budgets[0].take(oracle().charge(attempt_of(answer)))
    judge(replay, [once_edited(world, partial(caller.infer, ASK))])
    spend_on(replay, partial(caller.infer, ASK), requirement="MAAS-RATE-011")
    world.change_rates(subscription, Rate(120, HOUR))
    rest = oracle().replay(120)
    rest.budgets[0].used = replay.budgets[0].used
    judge(rest, [once_edited(world, partial(caller.infer, ASK))])
    spend_on(rest, partial(caller.infer, ASK), requirement="MAAS-RATE-021")


@check("MAAS-RATE-021", needs={"kube"})
def test_an_edited_window_ends_by_its_new_length(world: World, clock: Clock) -> None:
    who = world.identity()
    subscription = world.subscription(who, limit=70, window="2h")
    world.policy(who)
    caller = world.subscriber(who, subscription)
    spend(caller.infer, limit=70)
    subscription = world.change_rates(subscription, Rate(70, "10s"))
    after = once_edited(world, caller.infer)
    kept = after.status == 429
    world.wire.recorder.characteristic("consumption_kept_when_a_window_is_edited", float(kept), "of 1")
    expect(
        after.status == 200 or (kept and quota_refusal(after) is None),
        expected="an answer, or a refusal that speaks of a limit",
        observed=f"{after.status}",
        exchange=after,
    )
    clock.pass_window(subscription)
    spend(caller.infer, limit=70, requirement="MAAS-RATE-020")


@check("MAAS-RATE-020", needs={"kube"})
def test_an_edit_for_one_subscription_leaves_the_budget_of_another_alone(world: World) -> None:
    who = world.identity()
    edited, other = world.subscription(who, limit=100, window=HOUR), world.subscription(who, limit=100, window=HOUR)
    world.policy(who)
    first, second = world.subscriber(who, edited), world.subscriber(who, other)
    mine, theirs = oracle().replay(100), oracle().replay(100)
    for caller, replay in ((first, mine), (second, theirs)):
        judge(replay, [expect_served(caller.infer(ASK))])
    world.change_rates(edited, Rate(200, HOUR))
    mine.budgets[0].edit(200)
    spend_on(theirs, partial(second.infer, ASK))
    judge(mine, [once_edited(world, partial(first.infer, ASK))])
    spend_on(mine, partial(first.infer, ASK))
