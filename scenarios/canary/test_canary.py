"""Before anything else: is there anybody who is served, is anybody refused, and are limits enforced at all?"""

from typing import Final

from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.engine.failure import NotConformant
from harness.world.estate import Estate
from harness.world.expectations import expect_refused, expect_served
from harness.world.inference import Ask
from harness.world.silent_limits import why_nothing_is_refused
from harness.world.world import World

LIMIT = 60
MADE_UP: Final = Secret("sk-oai-AAAAAAAAAAAAAAAA_0000000000000000000000000000000000000000000")


@check("MAAS-AUTH-004", "MAAS-GW-004", canary=True)
def test_a_valid_key_is_served_and_a_made_up_one_is_not(world: World) -> None:
    """A platform that serves everybody, or nobody, makes every later verdict worthless. Costs one call of one token."""
    caller, least = world.anybody(), Ask(max_tokens=1)
    expect_served(caller.infer(least), when="a valid key calls a model of its own")
    stranger = world.caller(MADE_UP, model=caller.model)
    expect_refused(stranger.infer(least), 403, when="the key was never issued", requirement="MAAS-AUTH-004")


@check("MAAS-RATE-001", needs={"kube"}, canary=True)
def test_three_times_the_budget_is_not_served(world: World, estate: Estate) -> None:
    """Somebody who spends three times the budget is refused on the way."""
    who = world.identity()
    subscription = world.subscription(who, limit=LIMIT, window="1h")
    world.policy(who)
    caller = world.subscriber(who, subscription)
    answers = [expect_served(caller.infer(Ask(max_tokens=16)), when="a subscriber with an untouched budget asks")]
    each = max(1, answers[0].usage.total_tokens if answers[0].usage else 1)
    for _ in range(-(-3 * LIMIT // each)):
        answer = caller.infer(Ask(max_tokens=16))
        if answer.status == 429:
            return
        answers.append(expect_served(answer, when="the budget is not known to be spent"))
    raise NotConformant(
        expected=f"429 before three times the budget of {LIMIT} tokens is spent",
        observed=f"{len(answers)} requests were all served: limits look on and enforce nothing",
        exchange=answers[-1],
        detail=why_nothing_is_refused(estate, subscription, caller.model, answers),
    )
