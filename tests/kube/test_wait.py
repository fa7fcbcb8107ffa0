import threading

import pytest

from harness.kube.cluster import Cluster
from harness.kube.fault import WaitExpired
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import (
    CROWD,
    Bound,
    delete_and_wait,
    exists,
    has_condition,
    has_phase,
    is_gone,
    wait_for,
    wait_for_all,
)

FAR = Bound("ready_bound_s", 600)
SOON = Bound("ready_bound_s", 60)
AT_ONCE = Bound("ready_bound_s", 0.2)


def model_ref(namespace: str, name: str = "m") -> Manifest:
    return {
        "apiVersion": "maas.opendatahub.io/v1alpha1",
        "kind": "MaaSModelRef",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"modelRef": {"kind": "LLMInferenceService", "name": name}},
    }


def ready(status: str, generation: int) -> Manifest:
    return {
        "type": "Ready",
        "status": status,
        "reason": "BecauseOfTheTest",
        "message": "it says so",
        "observedGeneration": generation,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def set_status(cluster: Cluster, ref: Ref, phase: str, *conditions: Manifest) -> None:
    cluster.patch(ref, {"status": {"phase": phase, "conditions": list(conditions)}}, subresource="/status")


def test_a_change_ends_the_wait_long_before_its_bound(cluster: Cluster, namespace: str) -> None:
    ref = Ref.of(cluster.apply(model_ref(namespace)))
    expected = [has_phase(ref, "Ready"), has_condition(ref, "Ready")]
    waiting = threading.Thread(target=wait_for_all, args=(cluster, expected, FAR), daemon=True)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    set_status(cluster, ref, "Ready", ready("True", 1))
    waiting.join(FAR.seconds / 10)
    assert not waiting.is_alive()


def test_an_expired_wait_quotes_the_bound_and_what_the_object_says(cluster: Cluster, namespace: str) -> None:
    ref = Ref.of(cluster.apply(model_ref(namespace)))
    set_status(cluster, ref, "Pending", ready("False", 1))
    with pytest.raises(WaitExpired) as expired:
        wait_for(cluster, has_condition(ref, "Ready"), AT_ONCE)
    text = str(expired.value)
    assert text.startswith(f"MaaSModelRef {namespace}/m was not Ready=True within 0.2 s (ready_bound_s)")
    assert "phase Pending, Ready=False (BecauseOfTheTest: it says so)" in text


def test_a_condition_of_an_older_generation_does_not_count(cluster: Cluster, namespace: str) -> None:
    ref = Ref.of(cluster.apply(model_ref(namespace)))
    set_status(cluster, ref, "Ready", ready("True", 1))
    wait_for(cluster, has_condition(ref, "Ready"), SOON)
    changed = model_ref(namespace)
    changed["spec"]["endpointOverride"] = "https://elsewhere.example"
    assert cluster.apply(changed)["metadata"]["generation"] == 2
    with pytest.raises(WaitExpired):
        wait_for(cluster, has_condition(ref, "Ready"), AT_ONCE)


def test_an_object_that_never_appears_does_not_exist(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(WaitExpired, match=r"was not existing within 0\.2 s .*it does not exist"):
        wait_for(cluster, exists(Ref("v1", "ConfigMap", "ghost", namespace)), AT_ONCE)


def test_deletion_waits_for_finalizers(cluster: Cluster, namespace: str) -> None:
    held = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": namespace, "finalizers": ["example.com/hold"]},
    }
    ref = Ref.of(cluster.apply(held))
    with pytest.raises(WaitExpired, match="was not gone"):
        delete_and_wait(cluster, [ref], AT_ONCE)
    letting_go = threading.Timer(0.1, cluster.patch, (ref, {"metadata": {"finalizers": None}}))
    letting_go.start()
    assert wait_for(cluster, is_gone(ref), SOON) is None
    letting_go.join()


NAMES = [f"m{number}" for number in range(CROWD)]


def crowd(cluster: Cluster, namespace: str) -> list[Ref]:
    return [Ref.of(cluster.apply(model_ref(namespace, name))) for name in NAMES]


def test_a_crowd_is_awaited_until_its_last_has_changed(cluster: Cluster, namespace: str) -> None:
    refs = crowd(cluster, namespace)
    expected = [has_phase(ref, "Ready") for ref in refs]
    waiting = threading.Thread(target=wait_for_all, args=(cluster, expected, FAR), daemon=True)
    waiting.start()
    for ref in refs[1:]:
        set_status(cluster, ref, "Ready", ready("True", 1))
    waiting.join(0.3)
    assert waiting.is_alive()
    set_status(cluster, refs[0], "Ready", ready("True", 1))
    waiting.join(FAR.seconds / 10)
    assert not waiting.is_alive()


def test_a_crowd_costs_one_list_where_all_is_well_already(cluster: Cluster, namespace: str) -> None:
    refs = crowd(cluster, namespace)
    for ref in refs:
        set_status(cluster, ref, "Ready", ready("True", 1))
    looks: list[str | None] = []

    class Counting(Cluster):
        def __init__(self) -> None:
            pass

        def list_at(self, *kind: str, name: str | None = None, **where: str | None) -> tuple[list[Manifest], str]:
            looks.append(name)
            return cluster.list_at(*kind, name=name, **where)

    wait_for_all(Counting(), [has_phase(ref, "Ready") for ref in refs], SOON)
    assert looks == [None]


def test_an_expired_wait_for_a_crowd_names_the_one_that_is_missing(cluster: Cluster, namespace: str) -> None:
    refs = crowd(cluster, namespace)
    for ref in refs[:-1]:
        set_status(cluster, ref, "Ready", ready("True", 1))
    set_status(cluster, refs[-1], "Pending", ready("False", 1))
    with pytest.raises(WaitExpired) as expired:
        wait_for_all(cluster, [has_phase(ref, "Ready") for ref in refs], AT_ONCE)
    assert str(expired.value).startswith(f"MaaSModelRef {namespace}/{NAMES[-1]} was not phase Ready within 0.2 s")


def test_a_crowd_that_goes_is_awaited_too(cluster: Cluster, namespace: str) -> None:
    refs = crowd(cluster, namespace)
    delete_and_wait(cluster, refs, SOON)
    assert [cluster.get(ref) for ref in refs] == [None] * len(refs)
