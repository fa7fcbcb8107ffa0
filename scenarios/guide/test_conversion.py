"""A model moves from the standard gateway to that of MaaS while it is being used."""

from collections.abc import Sequence
from functools import partial

from harness.client.exchange import Exchange
from harness.client.measuring import Call
from harness.engine.declaration import check
from harness.engine.failure import NotReady
from harness.kube.wait import Bound
from harness.platforms.platform import Platform
from harness.world.expectations import describe, expect, model_ids
from harness.world.force import model_ref
from harness.world.inference import CHAT
from harness.world.patience import until
from harness.world.traffic import Traffic
from harness.world.twin import gateway_refs
from harness.world.world import World


@check("MAAS-SETUP-008", needs={"kube", "models", "standard-gateway"})
def test_a_model_is_converted_without_losing_requests(world: World, platform: Platform) -> None:
    twin = world.new_model(gateway="unnamed", governed=False)
    who = world.identity()
    subscription = world.subscription(who, models=twin.handle, awaited=False)
    policy = world.policy(who, models=twin.handle, awaited=False)
    person, body = world.person(who), CHAT.body(twin.handle)
    standard, maas = platform.endpoints.standard_gateway, platform.endpoints.gateway
    assert standard is not None
    client, bound = world.wire.client, Bound("revocation_bound_s", platform.parameters.revocation_bound_s)
    plain = Call("POST", CHAT.url(standard, twin.handle), json=body)
    known = Call("POST", CHAT.url(maas, twin.handle), json=body, credential=person.credential.secret())
    with Traffic(partial(client.send, plain)) as before, Traffic(partial(client.send, known)) as after:
        if not answers_with(before, 200, bound):
            raise NotReady(f"the standard gateway does not serve the model: {describe(before.exchanges[-1])}")
        opt_in = {"spec": {"router": {"gateway": {"refs": gateway_refs(platform.namespaces.gateway)}}}}
        world.estate.cluster.patch(twin.backend, opt_in)
        world.expect_phase(model_ref(twin.handle), "Ready")
        world.await_in_force(subscription, policy)
        listed, _ = world.until(person.models, lambda answer: twin.handle.model_id in model_ids(answer))
        served = answers_with(after, 200, bound) and answers_with(before, 404, bound)
    expect(
        twin.handle.model_id in model_ids(listed),
        expected="the converted model is listed",
        observed=repr(model_ids(listed)),
        exchange=listed,
    )
    expect(served, expected="200 at the MaaS gateway and 404 at the other", observed=describe(after.exchanges[-1]))
    expect_one_turn(served_from_start(before.exchanges), (200,), (404,), where="the standard gateway")
    expect_one_turn(after.exchanges, (403, 404), (200,), where="the MaaS gateway")


def answers_with(traffic: Traffic, status: int, bound: Bound) -> bool:
    """Wait until the latest answer has this status; whether one did within the bound."""
    found, _ = until(lambda: traffic.exchanges[-1].status == status, bool, bound)
    return found


def served_from_start(answers: Sequence[Exchange]) -> Sequence[Exchange]:
    """Answers from the first that was served: before it, the model was still being made."""
    return answers[next(place for place, answer in enumerate(answers) if answer.status == 200) :]


def expect_one_turn(answers: Sequence[Exchange], first: Sequence[int], then: Sequence[int], *, where: str) -> None:
    """All answers have one of the first statuses up to some moment, and one of the others from it on: nothing fails, nothing wavers."""
    statuses = [answer.status for answer in answers]
    turn = next((place for place, status in enumerate(statuses) if status in then), len(statuses))
    for place, answer in enumerate(answers):
        allowed = first if place < turn else then
        expect(
            answer.status in allowed,
            expected=f"request {place + 1} of {len(answers)} at {where} answered with {' or '.join(map(str, allowed))}",
            observed=describe(answer),
            exchange=answer,
        )
