"""Deletion: grace, finalizers, owners, namespaces, definitions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.kubeapi.in_process import Answer, InProcess

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
Call = Callable[..., Awaitable[Answer]]


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def owned_by(owner: dict[str, Any], name: str, *, blocking: bool = False) -> dict[str, Any]:
    meta = owner["metadata"]
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": meta["name"],
        "uid": meta["uid"],
        "blockOwnerDeletion": blocking,
    }
    return {"metadata": {"name": name, "ownerReferences": [reference]}}


async def family(call: Call, *, finalizers: list[str] | None = None, blocking: bool = False) -> None:
    owner = (await call("POST", MAPS, {"metadata": {"name": "owner"}})).body
    child = owned_by(owner, "child", blocking=blocking)
    if finalizers:
        child["metadata"]["finalizers"] = finalizers
    assert (await call("POST", MAPS, child)).code == 201


async def exists(call: Call, path: str) -> bool:
    return (await call("GET", path)).code == 200


def test_background_deletion_takes_the_dependents(server: InProcess) -> None:
    async def run() -> tuple[bool, bool]:
        await family(server.call)
        await server.call("DELETE", f"{MAPS}/owner")
        return await exists(server.call, f"{MAPS}/owner"), await exists(server.call, f"{MAPS}/child")

    assert asyncio.run(run()) == (False, False)


def test_orphans_stay_and_lose_their_owner(server: InProcess) -> None:
    async def run() -> dict[str, Any]:
        await family(server.call)
        await server.call("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Orphan"})
        assert not await exists(server.call, f"{MAPS}/owner")
        return dict((await server.call("GET", f"{MAPS}/child")).body["metadata"])

    assert "ownerReferences" not in asyncio.run(run())


def test_foreground_waits_for_blocking_dependents(server: InProcess) -> None:
    async def run() -> tuple[list[str], bool]:
        await family(server.call, finalizers=["example.com/hold"], blocking=True)
        waiting = (await server.call("DELETE", f"{MAPS}/owner", {"propagationPolicy": "Foreground"})).body
        media = "application/merge-patch+json"
        await server.call("PATCH", f"{MAPS}/child", {"metadata": {"finalizers": None}}, media=media)
        return waiting["metadata"]["finalizers"], await exists(server.call, f"{MAPS}/owner")

    assert asyncio.run(run()) == (["foregroundDeletion"], False)


def test_a_second_owner_keeps_the_dependent(server: InProcess) -> None:
    async def run() -> list[str]:
        one = (await server.call("POST", MAPS, {"metadata": {"name": "one"}})).body
        two = (await server.call("POST", MAPS, {"metadata": {"name": "two"}})).body
        child = owned_by(one, "child")
        child["metadata"]["ownerReferences"] += owned_by(two, "child")["metadata"]["ownerReferences"]
        await server.call("POST", MAPS, child)
        await server.call("DELETE", f"{MAPS}/one")
        left = (await server.call("GET", f"{MAPS}/child")).body
        return [reference["name"] for reference in left["metadata"]["ownerReferences"]]

    assert asyncio.run(run()) == ["two"]


def test_an_object_whose_owner_never_was_is_collected(server: InProcess) -> None:
    async def run() -> bool:
        ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000000"}}
        assert (await server.call("POST", MAPS, owned_by(ghost, "child"))).code == 201
        await server.cluster.store.log(("", "configmaps")).follow().more(asyncio.get_running_loop().time() + 5)
        return await exists(server.call, f"{MAPS}/child")

    assert not asyncio.run(run())


def test_a_pod_on_a_node_gets_its_grace(server: InProcess) -> None:
    async def run() -> tuple[Any, ...]:
        pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}
        await server.call("POST", PODS, pod)
        ending = (await server.call("DELETE", f"{PODS}/p")).body
        await server.call(
            "PATCH", f"{PODS}/p/status", {"status": {"phase": "Running"}}, media="application/merge-patch+json"
        )
        still = await exists(server.call, f"{PODS}/p")
        await server.call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})
        return ending["metadata"]["deletionGracePeriodSeconds"], still, await exists(server.call, f"{PODS}/p")

    assert asyncio.run(run()) == (30, True, False)


def test_a_pod_without_a_node_goes_at_once(server: InProcess) -> None:
    async def run() -> bool:
        await server.call(
            "POST", PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        )
        await server.call("DELETE", f"{PODS}/p")
        return await exists(server.call, f"{PODS}/p")

    assert not asyncio.run(run())


def test_a_namespace_drains_and_waits_for_finalizers(server: InProcess) -> None:
    async def run() -> tuple[Any, ...]:
        await server.call("POST", "/api/v1/namespaces", {"metadata": {"name": "busy"}})
        path = "/api/v1/namespaces/busy/configmaps"
        await server.call("POST", path, {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
        phase = (await server.call("DELETE", "/api/v1/namespaces/busy")).body["status"]["phase"]
        refused = await server.call("POST", path, {"metadata": {"name": "late"}})
        await server.call(
            "PATCH", f"{path}/held", {"metadata": {"finalizers": []}}, media="application/merge-patch+json"
        )
        return (
            phase,
            refused.code,
            refused.body["details"]["causes"][0]["reason"],
            await exists(server.call, "/api/v1/namespaces/busy"),
        )

    assert asyncio.run(run()) == ("Terminating", 403, "NamespaceTerminating", False)


def test_a_definition_waits_for_its_last_object(server: InProcess) -> None:
    async def run() -> tuple[Any, ...]:
        await server.call("POST", CRDS, CRD)
        widget = {
            "apiVersion": "example.com/v1",
            "kind": "Widget",
            "metadata": {"name": "w", "finalizers": ["example.com/hold"]},
        }
        assert (await server.call("POST", WIDGETS, widget)).code == 201
        await server.call("DELETE", f"{CRDS}/widgets.example.com")
        held = await exists(server.call, f"{CRDS}/widgets.example.com"), await exists(server.call, f"{WIDGETS}/w")
        await server.call(
            "PATCH", f"{WIDGETS}/w", {"metadata": {"finalizers": None}}, media="application/merge-patch+json"
        )
        return *held, await exists(server.call, f"{CRDS}/widgets.example.com"), (await server.call("GET", WIDGETS)).code

    assert asyncio.run(run()) == (True, True, False, 404)


def test_finalizers_cannot_be_added_to_what_is_ending(server: InProcess) -> None:
    async def run() -> Answer:
        await server.call("POST", MAPS, {"metadata": {"name": "a", "finalizers": ["example.com/one"]}})
        await server.call("DELETE", f"{MAPS}/a")
        both = {"metadata": {"finalizers": ["example.com/one", "example.com/two"]}}
        return await server.call("PATCH", f"{MAPS}/a", both, media="application/merge-patch+json")

    answer = asyncio.run(run())
    assert answer.code == 422
    assert answer.body["details"]["causes"][0]["field"] == "metadata.finalizers"


def test_preconditions_guard_a_delete(server: InProcess) -> None:
    async def run() -> list[int]:
        await server.call("POST", MAPS, {"metadata": {"name": "a"}})
        uid = (await server.call("GET", f"{MAPS}/a")).body["metadata"]["uid"]
        wrong = await server.call("DELETE", f"{MAPS}/a", {"preconditions": {"uid": "other"}})
        right = await server.call("DELETE", f"{MAPS}/a", {"preconditions": {"uid": uid}})
        return [wrong.code, right.code]

    assert asyncio.run(run()) == [409, 200]


def test_a_dry_run_deletes_nothing(server: InProcess) -> None:
    async def run() -> bool:
        await server.call("POST", MAPS, {"metadata": {"name": "a"}})
        await server.call("DELETE", f"{MAPS}/a", query="dryRun=All")
        return await exists(server.call, f"{MAPS}/a")

    assert asyncio.run(run())


def test_a_pods_status_takes_labels_annotations_and_finalizers_along_and_nothing_else(server: InProcess) -> None:
    body: dict[str, Any] = {
        "metadata": {"name": "p", "labels": {"l": "1"}, "annotations": {"gone": "1"}},
        "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]},
    }
    told = {
        "metadata": {
            "labels": {"m": "2"},
            "annotations": {"a": "b", "gone": None},
            "finalizers": ["example.com/f"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}],
        },
        "spec": {"nodeName": "another"},
        "status": {"phase": "Running"},
    }

    assert server.do("POST", PODS, body).code == 201
    answer = server.do("PATCH", f"{PODS}/p/status", told, media="application/merge-patch+json")
    assert answer.code == 200
    found = answer.body
    assert found["metadata"]["labels"] == {"l": "1", "m": "2"}
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert found["metadata"]["finalizers"] == ["example.com/f"]
    assert "ownerReferences" not in found["metadata"]
    assert (found["spec"]["nodeName"], found["status"]["phase"]) == ("n", "Running")
