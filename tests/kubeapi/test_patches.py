"""The three kinds of patches."""

from typing import Any

import pytest

from harness.simulator.kubeapi.builtin import schema_of
from harness.simulator.kubeapi.patches import json_patch, merge_patch, strategic_patch
from harness.simulator.kubeapi.status import ApiError

POD_SPEC = schema_of("io.k8s.api.core.v1.PodSpec")
SERVICE_SPEC = schema_of("io.k8s.api.core.v1.ServiceSpec")
DEPLOYMENT_SPEC = schema_of("io.k8s.api.apps.v1.DeploymentSpec")


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_as_rfc_7386_has_it(before: Any, patch: Any, after: Any) -> None:
    assert merge_patch(before, patch) == after


def test_json_patch_applies_in_order() -> None:
    patch = [
        {"op": "add", "path": "/a/-", "value": 3},
        {"op": "move", "from": "/a/0", "path": "/b"},
        {"op": "test", "path": "/b", "value": 1},
    ]
    assert json_patch({"a": [1, 2]}, patch) == {"a": [2, 3], "b": 1}


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ([{"op": "test", "path": "/a", "value": 2}], 422),
        ([{"op": "remove", "path": "/nothing"}], 422),
        ([{"op": "replace", "path": "/x/y", "value": 1}], 422),
        ([{"op": "dance", "path": "/a"}], 400),
        ([{"path": "/a"}], 400),
        ({"op": "add"}, 400),
        ([{"op": "replace", "path": "", "value": 1}], 422),
    ],
)
def test_json_patches_that_cannot_be_applied_are_refused(patch: Any, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        json_patch({"a": 1}, patch)
    assert refused.value.code == code


def test_strategic_patch_merges_containers_by_name() -> None:
    before = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}
    patch = {"containers": [{"name": "b", "image": "2"}, {"name": "c", "image": "3"}]}
    after = strategic_patch(before, patch, POD_SPEC)
    assert after["containers"] == [
        {"name": "a", "image": "1"},
        {"name": "b", "image": "2"},
        {"name": "c", "image": "3"},
    ]


def test_strategic_patch_deletes_by_directive() -> None:
    before = {"containers": [{"name": "a"}, {"name": "b"}]}
    after = strategic_patch(before, {"containers": [{"name": "a", "$patch": "delete"}]}, POD_SPEC)
    assert after["containers"] == [{"name": "b"}]


def test_strategic_patch_replaces_by_directive() -> None:
    before = {"containers": [{"name": "a"}, {"name": "b"}]}
    after = strategic_patch(before, {"containers": [{"$patch": "replace"}, {"name": "c"}]}, POD_SPEC)
    assert after["containers"] == [{"name": "c"}]


def test_strategic_patch_keeps_the_asked_order() -> None:
    before = {"ports": [{"port": 80}, {"port": 90}]}
    patch = {"$setElementOrder/ports": [{"port": 70}, {"port": 90}, {"port": 80}], "ports": [{"port": 70}]}
    assert [p["port"] for p in strategic_patch(before, patch, SERVICE_SPEC)["ports"]] == [70, 90, 80]


def test_strategic_patch_retains_only_the_named_keys() -> None:
    before = {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}
    patch = {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
    assert strategic_patch(before, patch, DEPLOYMENT_SPEC)["strategy"] == {"type": "Recreate"}


def test_strategic_patch_replaces_plain_lists_and_drops_nulls() -> None:
    before = {"nodeName": "n", "containers": [{"name": "a", "args": ["1", "2"]}]}
    after = strategic_patch(before, {"nodeName": None, "containers": [{"name": "a", "args": ["3"]}]}, POD_SPEC)
    assert after == {"containers": [{"name": "a", "args": ["3"]}]}


@pytest.mark.parametrize(
    "patch",
    [
        {"containers": [{"image": "x"}]},
        {"containers": ["a"]},
        {"$patch": "dance"},
        {"strategy": {"$retainKeys": 5}},
        {"$deleteFromPrimitiveList/finalizers": "x", "finalizers": []},
    ],
)
def test_strategic_patches_that_mean_nothing_are_400(patch: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        strategic_patch({"finalizers": []}, patch, POD_SPEC)
    assert refused.value.code == 400
