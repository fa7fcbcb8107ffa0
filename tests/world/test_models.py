"""Models of a check's own: how a variant differs from the model that it copies, and what is expected of objects in time."""

import pytest

from harness.engine.failure import NotConformant
from harness.kube.manifest import Ref
from harness.world.force import LLMIS, model_ref
from harness.world.governance import MAAS
from harness.world.twin import Variant, twin_of
from tests.world.conftest import model

ORIGINAL = {"model": {"uri": "hf://placeholder/no-model", "name": "closed"}, "router": {"route": {}}, "replicas": 1}


@pytest.fixture
def original(world):
    name = f"{world.name}-original"
    served = model(name)
    world.declare(
        {
            "apiVersion": LLMIS,
            "kind": "LLMInferenceService",
            "metadata": {"name": name, "namespace": "llm"},
            "spec": ORIGINAL,
        }
    )
    world.settle()
    return served


def test_a_variant_lives_elsewhere_under_another_served_name(world, original):
    variant = Variant(namespace="there", served_name="shared", annotations={"a": "b"})
    twin = twin_of(world.estate.cluster, original, "copy", refs=None, registered=True, variant=variant)
    service, registration = twin.manifests
    assert service["metadata"] == {"name": "copy", "namespace": "there", "annotations": {"a": "b"}}
    assert service["spec"]["model"]["name"] == "shared"
    assert registration["metadata"]["namespace"] == "there"
    assert twin.handle.model_id == "publishers/there/models/shared"
    assert (twin.handle.path, twin.handle.served_name) == ("/there/copy", "shared")


def test_a_model_without_a_route_asks_for_none(world, original):
    routed, unrouted = (
        twin_of(world.estate.cluster, original, "copy", refs=None, registered=False, variant=Variant(routed=flag))
        for flag in (True, False)
    )
    assert routed.manifests[0]["spec"]["router"] == {"route": {}}
    assert "route" not in unrouted.manifests[0]["spec"]["router"]


def test_what_does_not_come_is_the_platforms_fault(world):
    subscription = world.subscription(world.identity(), awaited=False)
    world.settle()
    with pytest.raises(NotConformant) as caught:
        world.expect_phase(subscription.ref, "Active", requirement="MAAS-STAT-020")
    assert caught.value.requirement == "MAAS-STAT-020"
    assert "phase Active within 1 s (ready_bound_s)" in caught.value.expected
    patch = {"status": {"phase": "Active"}}
    world.estate.cluster.patch(subscription.ref, patch, subresource="/status")
    assert world.expect_phase(subscription.ref, "Failed", "Active")["status"]["phase"] == "Active"


def test_ghosts_are_many_and_never_there(world):
    one, other = world.ghost(), world.ghost()
    assert one.name != other.name
    assert world.estate.cluster.get(model_ref(one)) is None
    assert model_ref(one) == Ref(MAAS, "MaaSModelRef", one.name, world.model().namespace)
