import time

import pytest

from harness.kube.apply import apply_manifests
from harness.kube.cluster import Cluster
from harness.kube.fault import WaitExpired
from harness.kube.janitor import left_behind, sweep
from harness.kube.labels import run_labels
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound

BOUND = Bound("deletion_bound_s", 10)


def objects(name: str) -> list[Manifest]:
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "someone", "namespace": name}},
    ]


def test_only_the_objects_of_that_run_go(cluster: Cluster) -> None:
    apply_manifests(cluster, objects("janitor-a"), run_labels("run-a"))
    apply_manifests(cluster, objects("janitor-b"), run_labels("run-b"))
    gone = sweep(cluster, run_id="run-a", bound=BOUND)
    assert Ref("v1", "Namespace", "janitor-a") in gone
    assert left_behind(cluster, run_id="run-a") == []
    assert Ref("v1", "ServiceAccount", "someone", "janitor-b") in left_behind(cluster, run_id="run-b")


def test_young_objects_are_left_to_the_run_that_may_still_be_at_work(cluster: Cluster) -> None:
    apply_manifests(cluster, objects("janitor-old"), run_labels("run-old", now=time.time() - 7200))
    apply_manifests(cluster, objects("janitor-young"), run_labels("run-young"))
    found = left_behind(cluster, older_than_s=3600)
    assert Ref("v1", "Namespace", "janitor-old") in found
    assert Ref("v1", "Namespace", "janitor-young") not in found


def test_objects_without_the_labels_are_nobody_s_to_sweep(cluster: Cluster) -> None:
    apply_manifests(cluster, objects("bystander"))
    assert "bystander" not in [ref.name for ref in left_behind(cluster)]


def test_what_will_not_go_is_named(cluster: Cluster) -> None:
    held = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": "default", "finalizers": ["example.com/hold"]},
    }
    apply_manifests(cluster, [held], run_labels("run-held"))
    with pytest.raises(WaitExpired, match=r"ConfigMap default/held was not gone within 0\.3 s"):
        sweep(cluster, run_id="run-held", bound=Bound("deletion_bound_s", 0.3))
    cluster.patch(Ref("v1", "ConfigMap", "held", "default"), {"metadata": {"finalizers": None}})
