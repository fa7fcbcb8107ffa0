"""A phase that a check holds against the controller, which the tests themselves play."""

import pytest

from harness.kube.fault import Rejected
from harness.world.held_phase import hold_phase
from tests.world.test_world import activate


def phase(world, ref):
    return ((world.estate.cluster.get(ref) or {}).get("status") or {}).get("phase")


@pytest.fixture
def subscription(world):
    made = world.subscription(world.identity(), awaited=False)
    world.settle()
    activate(world, made)
    return made


@pytest.mark.parametrize("wanted", ["Pending", "Failed", "Degraded"])
def test_the_controller_cannot_say_another_phase(world, subscription, wanted):
    hold_phase(world, subscription.ref, wanted)
    assert phase(world, subscription.ref) == wanted
    with pytest.raises(Rejected, match="held-phase"):
        activate(world, subscription)
    assert phase(world, subscription.ref) == wanted


def test_no_phase_is_held_like_any_other(world, subscription):
    hold_phase(world, subscription.ref, None)
    assert phase(world, subscription.ref) is None
    with pytest.raises(Rejected, match="held-phase"):
        activate(world, subscription)


def test_other_objects_and_other_fields_are_free(world, subscription):
    other = world.subscription(world.identity(), awaited=False)
    hold_phase(world, subscription.ref, "Pending")
    activate(world, other)
    assert phase(world, other.ref) == "Active"
    cluster = world.estate.cluster
    cluster.patch(subscription.ref, {"spec": {"priority": 7}})
    cluster.patch(subscription.ref, {"status": {"conditions": []}}, subresource="/status")
    assert cluster.get(subscription.ref)["spec"]["priority"] == 7


def test_the_hold_ends_with_the_check(world, subscription):
    hold_phase(world, subscription.ref, "Pending")
    world.remove()
    hooks = world.estate.cluster.objects("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration")
    assert hooks == []
    assert world.estate.cluster.get(subscription.ref) is None
