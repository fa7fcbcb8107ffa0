"""Subscriptions that say more than one thing of a model: entries that repeat it, and limits of one window."""

from dataclasses import replace

import pytest

from harness.engine.declaration import check
from harness.kube.manifest import Ref
from harness.kube.wait import has_phase
from harness.world.expectations import expect_equal, model_ids
from harness.world.governance import MAAS, People, Rate, Subscription
from harness.world.quota import spend
from harness.world.world import World


@pytest.mark.parametrize(("first", "second"), [(70, 100_000), (200, 30)], ids=["smaller-first", "larger-first"])
@check("MAAS-RATE-017", needs={"kube"})
def test_of_two_entries_for_one_model_the_first_one_counts(world: World, first: int, second: int) -> None:
    who, model = world.identity(), world.model()
    ref = Ref(MAAS, "MaaSSubscription", f"{world.name}-twice", world.wire.platform.namespaces.subscriptions)
    subscription = Subscription(ref, People.of(who), (model,), (Rate(first, "1h"),))
    manifest = subscription.manifest()
    manifest["spec"]["modelRefs"] += replace(subscription, rates=(Rate(second, "1h"),)).manifest()["spec"]["modelRefs"]
    world.declare(manifest, until=[has_phase(ref, "Active")])
    world.policy(who)
    caller = world.subscriber(who, subscription)
    spend(caller.infer, limit=first, requirement="MAAS-RATE-017")
    listed = [model_id for model_id in model_ids(caller.models()) if model_id == model.model_id]
    expect_equal(len(listed), 1, of=f"entries of {model.model_id} in the list of models")


@check("MAAS-RATE-011", needs={"kube"})
def test_of_two_amounts_for_one_length_the_smaller_first_one_binds(world: World) -> None:
    """The other order is for each platform to decide (some keep the first of equal windows); it is published."""
    who = world.identity()
    ordered = world.subscription(who, rates=(Rate(70, "1h"), Rate(200, "60m")))
    reverse = world.subscription(who, rates=(Rate(200, "1h"), Rate(70, "60m")))
    world.policy(who)
    spend(world.subscriber(who, ordered).infer, limit=70, requirement="MAAS-RATE-011")
    other = world.subscriber(who, reverse)
    used = 0
    while (answer := other.infer()).status == 200 and answer.usage is not None and used < 1000:
        used += answer.usage.total_tokens
    world.wire.recorder.characteristic("amount_that_binds_of_two_for_one_length", 70 if used < 200 else 200, "tokens")
