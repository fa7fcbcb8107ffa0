"""A model server that goes away: its callers wait for the next one, nobody pays for what failed, and no other model notices."""

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound
from harness.ledger.counters import HITS
from harness.platforms.platform import Need
from harness.world.estate import Estate
from harness.world.expectations import describe, expect, expect_equal, expect_served
from harness.world.patience import until
from harness.world.world import World

NEEDS: tuple[Need, ...] = ("kube", "models", "metrics", "disposable")


def pods_of(world: World, name: str, namespace: str) -> list[Manifest]:
    """The Pods that serve a model of this check."""
    pods = world.estate.cluster.objects("v1", "Pod", namespace=namespace)
    return [pod for pod in pods if str(pod["metadata"]["name"]).startswith(name)]


@check("MAAS-RATE-028", needs=NEEDS)
def test_a_model_server_that_dies_is_replaced_and_what_failed_costs_nothing(world: World, estate: Estate) -> None:
    twin = world.new_model()
    caller, neighbour = world.customer(models=twin.handle), world.anybody()
    answers = [expect_served(caller.infer())]
    expect_served(neighbour.infer())
    doomed = {pod["metadata"]["uid"] for pod in pods_of(world, twin.backend.name, twin.handle.namespace)}
    for pod in pods_of(world, twin.backend.name, twin.handle.namespace):
        estate.cluster.delete(Ref.of(pod), grace_s=0)

    def served_by_another(last: Exchange) -> bool:
        there = {pod["metadata"]["uid"] for pod in pods_of(world, twin.backend.name, twin.handle.namespace)}
        return last.status == 200 and not doomed & there

    def attempt() -> Exchange:
        answers.append(caller.infer())
        expect_served(neighbour.infer(), when="the server of another model is gone")
        return answers[-1]

    bound = Bound("recovery_bound_s", world.wire.platform.parameters.recovery_bound_s)
    last, seconds = until(attempt, served_by_another, bound)
    expect_served(last, when=f"another server has had {bound.seconds:g} s ({bound.name}) to take over")
    world.wire.recorder.characteristic("recovery_of_a_model_server", round(seconds, 3), "s")
    for answer in answers:
        expect(
            answer.status == 200 or (answer.status is not None and answer.status >= 500),
            expected="200, or a 5xx while no server is there",
            observed=describe(answer),
            exchange=answer,
        )
    assert estate.counters is not None
    counters, name = estate.counters, caller.account().subscription
    stated = sum(answer.usage.total_tokens for answer in answers if answer.usage)
    counted = Bound("metrics_bound_s", estate.platform.parameters.metrics_bound_s)
    charged, _ = until(lambda: counters.read().total(HITS, name), lambda seen: seen == stated, counted)
    expect_equal(charged, stated, of="tokens charged", exchange=last)
