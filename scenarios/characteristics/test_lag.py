"""How long an edit takes to be enforced, from the moment the API server has it: nobody waits for a status here."""

import time
from dataclasses import replace

from harness.engine.declaration import check
from harness.kube.apply import apply_manifests
from harness.world.caller import Caller
from harness.world.expectations import expect_refused, expect_served, quota_refusal
from harness.world.governance import Rate, Subscription
from harness.world.world import World

AMPLE = 1_000_000
ROUNDS = 3
"""Samples of each: a single one says little, and each round waits for the platform twice."""


def enforced(world: World, caller: Caller, subscription: Subscription, limit: int, status: int) -> float:
    """Write the limit and ask until the answer has that status; seconds since the write, judged by the platform's own bound."""
    edited = replace(subscription, rates=(Rate(limit, "1h"),))
    apply_manifests(world.estate.cluster, [edited.manifest()], world.estate.labels)
    started = time.monotonic()
    answer, _ = world.until(caller.infer, lambda seen: seen.status == status)
    seconds = time.monotonic() - started
    if status == 429:
        expect_refused(
            answer, 429, quota_refusal, when="the limit was lowered to one token", requirement="MAAS-RATE-020"
        )
    else:
        expect_served(answer, when="the limit was raised above what is spent")
    return seconds


@check("MAAS-RATE-020", needs={"kube"})
def test_a_changed_limit_is_enforced_in_both_directions(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who)
    world.policy(who)
    caller = world.subscriber(who, subscription)
    expect_served(caller.infer())
    record = world.wire.recorder.characteristic
    for _ in range(ROUNDS):
        record("lowered_limit_enforced", enforced(world, caller, subscription, 1, 429), "s")
        record("raised_limit_enforced", enforced(world, caller, subscription, AMPLE, 200), "s")
