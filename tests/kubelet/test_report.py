"""How often a Pod is written, and what each write says: an address never without readiness, readiness never without an address."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.kind import POD
from harness.simulator.controllers.runtime.manifest import Key, Manifest
from harness.simulator.kubelet import reconciler as module
from harness.simulator.kubelet.child import Child
from harness.simulator.kubelet.launch import Launch
from harness.simulator.kubelet.pod import ADMIN_URL, LOG, URL
from harness.simulator.kubelet.reconciler import NODE, UNTOLD_START_S, PodReconciler
from harness.simulator.kubelet.report import change

KEY = Key("llm", "p")
SERVING = {"api": "http://127.0.0.1:4711", "admin": "http://127.0.0.1:4712"}


class Server:
    """Takes patches of one Pod as an API server does."""

    def __init__(self, pod: Manifest) -> None:
        self.pod = pod
        self.written: list[Manifest] = []

    async def patch(self, _resource: Any, _name: str, body: Manifest, **_options: Any) -> Manifest:
        metadata = self.pod["metadata"]
        given = (body.get("metadata") or {}).get("annotations") or {}
        self.pod = self.pod | {
            "metadata": metadata
            | {
                "resourceVersion": str(int(metadata["resourceVersion"]) + 1),
                "annotations": metadata.get("annotations", {}) | given,
            },
            "status": self.pod.get("status", {}) | body.get("status", {}),
        }
        self.written.append(self.pod)
        return self.pod


class Idle:
    """A child that lives until it is told to end."""

    pid = 2**22 + 1  # above any process id of Linux: signals to it reach nobody

    async def wait(self) -> int:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")


class Starter:
    """Starts idle children, and lets the test say when one serves."""

    def __init__(self) -> None:
        self.ready_file: Path | None = None

    def launch(self, _pod: Manifest, ready: Path) -> Launch:
        self.ready_file = ready
        return Launch(())

    async def start(self, _launch: Launch, _output: Path) -> Child:
        return Idle()

    async def close(self) -> None:
        """Nothing was opened."""

    def serve(self) -> None:
        assert self.ready_file is not None
        self.ready_file.write_text(json.dumps({"endpoints": SERVING}), encoding="utf-8")


class Node:
    """One Pod on a kubelet whose wakes the test can await."""

    def __init__(self, folder: Path) -> None:
        pod = {
            "metadata": {"namespace": KEY.namespace, "name": KEY.name, "uid": "u", "resourceVersion": "1"},
            "spec": {"nodeName": NODE, "containers": [{"name": "main", "image": "i"}]},
        }
        self.server = Server(pod)
        self.starter = Starter()
        self.woken = asyncio.Event()
        cluster = Cluster(self.server)  # type: ignore[arg-type]  # of a client, a report needs `patch` alone
        cluster.informer(POD).observe(pod)
        self._reconciler = PodReconciler(cluster, folder, self.starter.launch, self.starter)
        self._reconciler.wake = lambda _: self.woken.set()

    async def reconcile(self) -> float | None:
        return await self._reconciler.reconcile(KEY)

    async def until_woken(self) -> None:
        async with asyncio.timeout(15):
            await self.woken.wait()
        self.woken.clear()


def ready(pod: Manifest) -> object:
    return (find(pod["status"]["conditions"], "Ready") or {}).get("status")


def test_a_pod_that_serves_soon_is_written_once_with_its_addresses(tmp_path: Path) -> None:
    async def told() -> list[Manifest]:
        node = Node(tmp_path)
        again = await node.reconcile()
        assert again is not None
        assert 0 < again <= UNTOLD_START_S
        await node.until_woken()
        node.starter.serve()
        await node.until_woken()
        assert await node.reconcile() is None
        assert await node.reconcile() is None
        return node.server.written

    (only,) = asyncio.run(told())
    assert (only["status"]["phase"], ready(only)) == ("Running", "True")
    assert only["metadata"]["annotations"][URL] == SERVING["api"]
    assert only["metadata"]["annotations"][ADMIN_URL] == SERVING["admin"]


def test_a_pod_that_takes_long_says_so_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNTOLD_START_S", 0.0)

    async def told() -> list[Manifest]:
        node = Node(tmp_path)
        assert await node.reconcile() is None
        await node.until_woken()
        node.starter.serve()
        await node.until_woken()
        await node.reconcile()
        return node.server.written

    first, last = asyncio.run(told())
    assert (first["status"]["phase"], ready(first)) == ("Pending", "False")
    assert first["metadata"]["annotations"].keys() == {LOG}
    assert (last["status"]["phase"], ready(last)) == ("Running", "True")
    assert last["status"]["startTime"] == first["status"]["startTime"]
    assert last["metadata"]["annotations"][URL] == SERVING["api"]


def test_what_is_said_already_is_not_said_again() -> None:
    pod = {"metadata": {}, "status": {"phase": "Running"}}
    assert change(pod, {}, {"phase": "Running"}) == {}
    assert change(pod, {URL: None}, {"phase": "Running"}) == {"metadata": {"annotations": {URL: None}}}
    assert change(pod, {}, {"phase": "Failed"}) == {"status": {"phase": "Failed"}}
