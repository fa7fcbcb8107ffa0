"""Budgets under concurrency: each keeps to itself, and a shared one is overdrawn by no more than the requests that were running."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.world.caller import Caller
from harness.world.expectations import describe, expect, expect_refused, quota_refusal
from harness.world.inference import Ask
from harness.world.quota import oracle, spend
from harness.world.world import World

ASK = Ask(max_tokens=10)
MOST = 200
"""Requests of one worker; a budget that takes more is enforced by nobody."""


def until_refused(send: Callable[[], Exchange]) -> list[Exchange]:
    """Ask again and again until the budget is spent; whatever is neither 200 nor 429 is a finding."""
    answers: list[Exchange] = []
    while (not answers or answers[-1].status == 200) and len(answers) < MOST:
        answers.append(send())
        last = answers[-1]
        expect(last.status in (200, 429), expected="200 or 429", observed=describe(last), exchange=last)
    return answers


def expect_spent_together(runs: list[list[Exchange]], limit: int) -> int:
    """What callers of one budget used, each until refused: no more than what was running when it ended, and no less than a refusal needs.

    Somebody who is refused found too little left. Where a platform looks ahead, others may have held or been reckoned a part of that.
    """
    costs = [answer.usage.total_tokens for run in runs for answer in run if answer.status == 200 and answer.usage]
    served = [answer for run in runs for answer in run if answer.status == 200]
    expect(
        bool(costs) and len(costs) == len(served),
        expected="answers, each of which states its usage",
        observed=f"{len(costs)} of {len(served)} answers do",
        exchange=runs[0][-1],
    )
    used, largest = sum(costs), max(costs)
    need = oracle().need(limit, largest).most
    held = 0 if oracle().admission == "check-then-report" else need * (len(runs) - 1)
    least, most = limit + 1 - need - held, limit - 1 + largest * len(runs)
    expect(
        least <= used <= most,
        expected=f"between {least} and {most} tokens spent by {len(runs)} callers on a budget of {limit}",
        observed=f"{used}",
        exchange=runs[0][-1],
    )
    return used


@check("MAAS-RATE-008", needs={"kube"})
def test_users_who_spend_at_the_same_time_each_spend_their_own(world: World) -> None:
    limits = [60, 85, 110, 135]
    people = [world.identity("team") for _ in limits]
    callers: list[Caller] = []
    for who, limit in zip(people, limits, strict=True):
        callers.append(world.subscriber(who, world.subscription(who, limit=limit)))
    world.policy(people[0].group)
    for caller in callers:
        caller.credential.secret()

    def one(pair: tuple[Caller, int]) -> None:
        spend(lambda: pair[0].infer(ASK), limit=pair[1], requirement="MAAS-RATE-008")

    with ThreadPoolExecutor(len(limits)) as pool:
        list(pool.map(one, zip(callers, limits, strict=True)))


@check("MAAS-RATE-003", "MAAS-RATE-007", needs={"kube"})
def test_keys_that_spend_one_budget_together_overdraw_it_by_what_was_running(world: World) -> None:
    limit, workers = 400, 6
    who = world.identity()
    subscription = world.subscription(who, limit=limit)
    world.policy(who)
    keys = [world.subscriber(who, subscription) for _ in range(workers)]
    for key in keys:
        key.credential.secret()
    with ThreadPoolExecutor(workers) as pool:
        runs = list(pool.map(lambda key: until_refused(lambda: key.infer(ASK)), keys))
    used = expect_spent_together(runs, limit)
    world.wire.recorder.characteristic(f"overshoot_of_{workers}_keys", max(used - limit, 0), f"tokens over {limit}")
    if used >= limit:
        for key in keys:
            expect_refused(key.infer(ASK), 429, quota_refusal, when="the shared budget is spent")


@check("MAAS-RATE-010", needs={"kube"})
def test_models_that_are_used_at_the_same_time_each_have_their_budget(world: World) -> None:
    models = (world.model(0), world.model(1))
    customer = world.customer(models=models, limit=90)
    customer.credential.secret()
    with ThreadPoolExecutor(len(models)) as pool:
        list(
            pool.map(
                lambda model: spend(lambda: customer.infer(ASK, model=model), limit=90, requirement="MAAS-RATE-010"),
                models,
            )
        )


@check("MAAS-RATE-013", needs={"kube"})
def test_both_url_styles_at_the_same_time_spend_one_budget(world: World) -> None:
    limit = 300
    customer = world.customer(limit=limit)
    customer.credential.secret()
    styles = (Ask(style="path", max_tokens=10), Ask(style="body", max_tokens=10))
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda ask: until_refused(lambda: customer.infer(ask)), styles))
    used = expect_spent_together(runs, limit)
    for ask in styles if used >= limit else ():
        expect_refused(customer.infer(ask), 429, quota_refusal, when=f"both styles have spent the budget ({ask.style})")
