"""The kubelet stand-in as a process on a real API server, with real mock model servers."""

import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from harness.simulator.controllers.runtime.kind import DEPLOYMENT, ENDPOINT_SLICE, NAMESPACE, POD, SERVICE
from harness.simulator.kubelet.pod import ADMIN_URL, URL
from tests.controllers.client import Client
from tests.controllers.conftest import Running
from tests.controllers.world import condition, gone
from tests.kubelet.conftest import Node


class Workload:
    """A Deployment and a Service in a namespace of their own."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.namespace = f"ns-{uuid4().hex[:8]}"
        client.create(NAMESPACE, self.namespace)

    def deploy(self, *command: str, replicas: int = 1) -> None:
        template = {"metadata": {"labels": {"app": "m"}}, "spec": {"containers": [self.container(*command)]}}
        spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "m"}}, "template": template}
        self.client.create(DEPLOYMENT, "m", self.namespace, spec=spec)
        port = {"name": "http", "port": 8000, "targetPort": 8000, "protocol": "TCP"}
        self.client.create(SERVICE, "m", self.namespace, spec={"selector": {"app": "m"}, "ports": [port]})

    @staticmethod
    def container(*command: str) -> dict[str, Any]:
        return {
            "name": "main",
            "image": "mock",
            "command": list(command or ("mock-vllm", "serve", "m", "--port", "8000")),
        }

    def available(self, replicas: int = 1) -> dict[str, Any]:
        found = self.client.until(
            DEPLOYMENT,
            "m",
            self.namespace,
            lambda m: (
                condition("Progressing", "True", "NewReplicaSetAvailable")(m)
                and m["status"]["availableReplicas"] == m["status"]["replicas"] == replicas
                and m["status"]["observedGeneration"] == m["metadata"]["generation"]
            ),
        )
        assert found is not None
        return found

    def pods(self) -> list[dict[str, Any]]:
        return [pod for pod in self.client.all(POD, self.namespace) if not pod["metadata"].get("deletionTimestamp")]

    def ports(self) -> set[int]:
        return {
            port["port"]
            for found in self.client.all(ENDPOINT_SLICE, self.namespace)
            if found["endpoints"][0]["conditions"]["ready"]
            for port in found["ports"]
        }


@pytest.fixture
def workload(node: Node) -> Workload:
    return Workload(node.client)


def url(pod: dict[str, Any]) -> str:
    return str(pod["metadata"]["annotations"][URL])


def owner_of(address: str) -> psutil.Process:
    """The process that listens at a loopback URL."""
    port = int(address.rsplit(":", 1)[1])
    pid = next(
        found.pid
        for found in psutil.net_connections("tcp")
        if found.status == psutil.CONN_LISTEN and found.laddr.port == port and found.pid
    )
    return psutil.Process(pid)


def test_a_deployment_becomes_a_process_that_answers_behind_its_service(workload: Workload) -> None:
    workload.deploy()
    workload.available()
    (pod,) = workload.pods()
    assert pod["status"]["podIP"] == "127.0.0.1"
    models = httpx.get(f"{url(pod)}/v1/models").json()
    assert [model["id"] for model in models["data"]] == ["m"]
    journal = httpx.get(f"{pod['metadata']['annotations'][ADMIN_URL]}/journal").json()
    assert [entry["path"] for entry in journal["entries"]] == ["/v1/models"]
    name = f"m-{pod['metadata']['name'].rsplit('-', 1)[1]}"
    workload.client.until(
        ENDPOINT_SLICE, name, workload.namespace, lambda m: m and m["endpoints"][0]["conditions"]["ready"]
    )
    assert workload.ports() == {int(url(pod).rsplit(":", 1)[1])}


def test_a_crashed_server_comes_back_and_its_endpoints_with_it(workload: Workload) -> None:
    workload.deploy()
    workload.available()
    (pod,) = workload.pods()
    first = url(pod)
    os.kill(owner_of(first).pid, signal.SIGKILL)
    found = workload.client.until(
        POD,
        pod["metadata"]["name"],
        workload.namespace,
        lambda m: condition("Ready", "True")(m) and m["status"]["containerStatuses"][0]["restartCount"] == 1,
    )
    assert found is not None
    assert url(found) != first
    assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
    assert httpx.get(f"{url(found)}/health").status_code == 200


def test_it_scales_up_and_down_and_processes_follow(workload: Workload) -> None:
    workload.deploy()
    workload.available()
    workload.client.patch(DEPLOYMENT, "m", {"spec": {"replicas": 3}}, workload.namespace)
    workload.available(3)
    addresses = [url(pod) for pod in workload.pods()]
    processes = [owner_of(address) for address in addresses]
    assert len(set(addresses)) == 3
    workload.client.patch(DEPLOYMENT, "m", {"spec": {"replicas": 0}}, workload.namespace)
    workload.available(0)
    assert psutil.wait_procs(processes, timeout=60)[1] == []
    for pod in workload.client.all(POD, workload.namespace):
        workload.client.until(POD, pod["metadata"]["name"], workload.namespace, gone)


def test_a_new_template_replaces_the_pod_only_when_the_new_one_serves(workload: Workload) -> None:
    workload.deploy()
    workload.available()
    (old,) = workload.pods()
    change = {"spec": {"template": {"spec": {"containers": [workload.container("mock-vllm", "serve", "other")]}}}}
    workload.client.patch(DEPLOYMENT, "m", change, workload.namespace)
    served_until = workload.client.until(
        POD, old["metadata"]["name"], workload.namespace, lambda m: m is None or m["metadata"].get("deletionTimestamp")
    )
    ready = [pod for pod in workload.pods() if condition("Ready", "True")(pod)]
    assert served_until is None or served_until["metadata"]["deletionTimestamp"]
    assert len(ready) == 1
    assert httpx.get(f"{url(ready[0])}/v1/models").json()["data"][0]["id"] == "other"


def test_a_deleted_deployment_ends_its_processes(workload: Workload) -> None:
    workload.deploy()
    workload.available()
    (pod,) = workload.pods()
    process = owner_of(url(pod))
    workload.client.delete(DEPLOYMENT, "m", workload.namespace)
    workload.client.until(POD, pod["metadata"]["name"], workload.namespace, gone)
    assert psutil.wait_procs([process], timeout=60)[1] == []
    workload.client.delete(SERVICE, "m", workload.namespace)


def test_a_container_that_serves_no_model_waits_with_a_reason(workload: Workload) -> None:
    workload.deploy("nginx")
    workload.client.until(DEPLOYMENT, "m", workload.namespace, condition("Available", "False"))
    (pod,) = workload.pods()
    found = workload.client.until(
        POD,
        pod["metadata"]["name"],
        workload.namespace,
        lambda m: m and (m.get("status") or {}).get("containerStatuses"),
    )
    assert found is not None
    waiting = found["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ErrImageNeverPull"
    assert "expected a model server" in waiting["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_however_the_kubelet_ends_its_processes_do_too(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "api").mkdir()
    root = Path(__file__).parents[2]
    api = Running(
        "harness.simulator.kubeapi", tmp_path, "--dir", str(tmp_path / "api"), "--crds", str(root / "fixtures/crds")
    ).wait()
    config = tmp_path / "api" / "admin.kubeconfig"
    kubelet = Running(
        "harness.simulator.kubelet", tmp_path, "--kubeconfig", str(config), "--dir", str(tmp_path / "work")
    ).wait()
    workload = Workload(Client(config))
    workload.deploy(replicas=2)
    workload.available(2)
    processes = [owner_of(url(pod)) for pod in workload.pods()]
    kubelet.process.send_signal(number)
    kubelet.process.wait(60)
    assert psutil.wait_procs(processes, timeout=60)[1] == []
    api.stop()


def test_a_kubelet_that_comes_back_starts_what_its_pods_had(tmp_path: Path) -> None:
    (tmp_path / "api").mkdir()
    crds = str(Path(__file__).parents[2] / "fixtures/crds")
    api = Running("harness.simulator.kubeapi", tmp_path, "--dir", str(tmp_path / "api"), "--crds", crds).wait()
    config = tmp_path / "api" / "admin.kubeconfig"
    options = ("--kubeconfig", str(config), "--dir", str(tmp_path / "work"))
    kubelet = Running("harness.simulator.kubelet", tmp_path, *options).wait()
    workload = Workload(Client(config))
    workload.deploy()
    workload.available()
    (before,) = workload.pods()
    kubelet.process.kill()
    kubelet.process.wait(60)
    kubelet.ready.unlink()
    kubelet = Running("harness.simulator.kubelet", tmp_path, *options).wait()
    name = before["metadata"]["name"]
    after = workload.client.until(
        POD, name, workload.namespace, lambda m: condition("Ready", "True")(m) and url(m) != url(before)
    )
    assert after is not None
    assert after["status"]["containerStatuses"][0]["restartCount"] == 1
    assert httpx.get(f"{url(after)}/health").status_code == 200
    port = int(url(after).rsplit(":", 1)[1])
    slice_name = f"m-{name.rsplit('-', 1)[1]}"
    workload.client.until(ENDPOINT_SLICE, slice_name, workload.namespace, lambda m: m and m["ports"][0]["port"] == port)
    kubelet.stop()
    api.stop()


VLLM = f"""#!{sys.executable}
import http.server, json, sys, time

port = int(sys.argv[sys.argv.index("--port") + 1])
started = time.monotonic()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = time.monotonic() > started + 0.3
        body = json.dumps(sys.argv[1:]).encode()
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def test_a_real_vllm_is_ready_when_its_health_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "bin" / "vllm"
    binary.parent.mkdir()
    binary.write_text(VLLM)
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    (tmp_path / "api").mkdir()
    crds = str(Path(__file__).parents[2] / "fixtures/crds")
    api = Running("harness.simulator.kubeapi", tmp_path, "--dir", str(tmp_path / "api"), "--crds", crds).wait()
    config = tmp_path / "api" / "admin.kubeconfig"
    options = ("--runtime", "vllm", "--kubeconfig", str(config), "--dir", str(tmp_path / "work"))
    kubelet = Running("harness.simulator.kubelet", tmp_path, *options).wait()
    workload = Workload(Client(config))
    workload.deploy("vllm", "serve", "org/m", "--served-model-name", "a", "b", "--port", "8000")
    workload.available()
    (pod,) = workload.pods()
    assert httpx.get(url(pod)).json()[:5] == ["serve", "org/m", "--served-model-name", "a", "b"]
    assert kubelet.stop() == 0
    api.stop()


def test_without_vllm_the_option_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    refused = Running("harness.simulator.kubelet", tmp_path, "--runtime", "vllm", "--dir", str(tmp_path / "work"))
    assert refused.process.wait(60) == 3
    assert refused.log.read_text() == (
        "Error: --runtime vllm needs the command vllm on the PATH: install vLLM, or use --runtime mock\n"
    )
