"""How long a spent budget stays spent. Windows open with the first charge and end all at once."""

from harness.engine.declaration import check
from harness.world.clock import Clock
from harness.world.expectations import expect, expect_refused, expect_served, quota_refusal
from harness.world.governance import Rate
from harness.world.quota import oracle, spend, spend_on
from harness.world.world import World

SMALL = 70


@check("MAAS-RATE-004", needs={"kube"})
def test_quota_returns_when_the_window_has_passed(world: World, clock: Clock) -> None:
    who = world.identity()
    subscription = world.subscription(who, limit=SMALL, window="10s")
    world.policy(who)
    caller = world.subscriber(who, subscription)
    spend(caller.infer, limit=SMALL)
    clock.pass_window(subscription)
    spend(caller.infer, limit=SMALL)


@check("MAAS-RATE-004", needs={"kube", "clock"})
def test_quota_does_not_return_before_the_window_has_passed(world: World, clock: Clock) -> None:
    who = world.identity()
    subscription = world.subscription(who, limit=SMALL, window="1h")
    world.policy(who)
    caller = world.subscriber(who, subscription)
    spend(caller.infer, limit=SMALL)
    clock.advance(subscription, 1800)
    expect_refused(caller.infer(), 429, quota_refusal, when="half of the window has passed")
    clock.advance(subscription, 1740)
    expect_refused(caller.infer(), 429, quota_refusal, when="all but a minute of the window has passed")
    clock.advance(subscription, 61)
    expect_served(caller.infer(), when="the window has passed")


@check("MAAS-RATE-004", needs={"kube", "clock"})
def test_an_overdraft_is_not_carried_into_the_next_window(world: World, clock: Clock) -> None:
    who = world.identity()
    subscription = world.subscription(who, limit=1, window="1m")
    world.policy(who)
    caller = world.subscriber(who, subscription)
    for _ in range(3):
        expect_served(caller.infer(), when="a new window begins with the whole budget")
        expect_refused(caller.infer(), 429, quota_refusal, when="the window's budget is spent")
        clock.pass_window(subscription)


@check("MAAS-RATE-011", needs={"kube", "clock"})
def test_of_two_limits_the_first_to_be_spent_refuses(world: World, clock: Clock) -> None:
    short, long = Rate(40, "1m"), Rate(100, "24h")
    who = world.identity()
    subscription = world.subscription(who, rates=(short, long))
    world.policy(who)
    caller = world.subscriber(who, subscription)
    replay = oracle().replay(short.limit, long.limit)
    spendings = [spend_on(replay, caller.infer, requirement="MAAS-RATE-011")]
    while spendings[-1].allowed:
        clock.pass_window(subscription, short)
        replay.budgets[0].renew()
        spendings.append(spend_on(replay, caller.infer, requirement="MAAS-RATE-011"))
    expect(
        len(spendings) > 2,
        expected="tokens in more than one short window before the long one refuses alone",
        observed=f"{len(spendings) - 1} short windows",
    )
    clock.pass_window(subscription, long)
    expect_served(caller.infer(), when="both windows have passed")


@check("MAAS-RATE-004", needs={"kube", "clock"})
def test_one_subscriptions_window_is_its_own(world: World, clock: Clock) -> None:
    who = world.identity()
    first = world.subscription(who, limit=SMALL, window="1m")
    second = world.subscription(who, limit=SMALL, window="1m")
    world.policy(who)
    one, other = world.subscriber(who, first), world.subscriber(who, second)
    spend(one.infer, limit=SMALL)
    spend(other.infer, limit=SMALL)
    clock.pass_window(first)
    expect_served(one.infer(), when="its window has passed")
    expect_refused(other.infer(), 429, quota_refusal, when="only the other subscription's window has passed")
