"""The reference platform's image under its cluster manifests, with Docker in the place of the kubelet.

Opt-in: it runs where a Docker daemon answers and MAAS_TEST_REFERENCE_IMAGE names an image that `up --target kind` (or its printed `docker build`)
has built. Containers share this machine's network, have no capabilities and only the mounted token of their ServiceAccount, as their Pods would:
so command lines, the init container's kubeconfig and the ClusterRole are what is proved.
"""

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.kube.access import service_account_token
from harness.kube.apply import apply_documents, apply_manifests
from harness.kube.cluster import Cluster
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound
from harness.platforms.cluster import describe
from harness.platforms.embedded.plan import Plan
from harness.platforms.embedded.session import crd_folders, supervised
from harness.platforms.embedded.topology import KUBERNETES
from harness.platforms.embedded.world import maas_api_slice, world_documents
from harness.platforms.introduction import introduce
from harness.platforms.kind.reference import deployments, reference_manifests
from harness.platforms.machine import docker
from harness.platforms.readiness import wait_until_in_force
from harness.platforms.supervisor import Part
from harness.platforms.target import TargetOptions

IMAGE = os.environ.get("MAAS_TEST_REFERENCE_IMAGE", "")
GATEWAY, STANDARD, LIMITER = "http://127.0.0.1:8080", "http://127.0.0.1:8081", "http://127.0.0.1:9003"
SECURE = "https://127.0.0.1:8443"
MAAS_API, MOVED_MAAS_API = "maas-api.odh-ai-gateway-infra.svc:8443", "127.0.0.1:8445"
ELSEWHERE = {
    "controller": {"0.0.0.0:8080": "127.0.0.1:0"},
    "maas-api": {"0.0.0.0:8443": MOVED_MAAS_API},
    "gateway": {f"http://{MAAS_API}": f"http://{MOVED_MAAS_API}"},
}
"""Words of commands, by a part of the Deployment's name: Pods bind the same ports, each its own, and on one network they cannot."""

pytestmark = pytest.mark.skipif(
    not IMAGE or not docker().fine,
    reason="needs a Docker daemon and MAAS_TEST_REFERENCE_IMAGE (an image that `up --target kind` built)",
)


class Kubelet:
    """Runs the containers of Deployments with Docker, on this machine's network."""

    def __init__(self, folder: Path, api_port: str, settings: dict[str, str]) -> None:
        self.folder, self.api_port, self.settings = folder, api_port, settings
        self.names: list[str] = []
        self.initial: set[str] = set()

    def run(self, deployment: Manifest) -> None:
        pod = deployment["spec"]["template"]["spec"]
        for container in pod.get("initContainers", []):
            self._container(deployment, container, detached=False)
        for container in pod["containers"]:
            self._container(deployment, container, detached=True)

    def _container(self, deployment: Manifest, container: dict[str, Any], *, detached: bool) -> None:
        owner, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
        name = f"maas-test-{os.getpid()}-{owner}-{container['name']}"
        # what a Pod is told of itself is its address, and here all share this machine's
        variables = {entry["name"]: entry.get("value", "127.0.0.1") for entry in container.get("env", [])}
        variables |= self.settings if container.get("envFrom") else {}
        words = [
            "docker",
            "run",
            "--name",
            name,
            "--network=host",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
        ]
        aliases = deployment["spec"]["template"]["spec"].get("hostAliases", [])
        names = [name for alias in aliases for name in alias["hostnames"]]
        words += [f"--add-host={host}:127.0.0.1" for host in ("maas-api.odh-ai-gateway-infra.svc", *names)]
        words += ["--detach"] if detached else []
        words += ["-e", "KUBERNETES_SERVICE_HOST=127.0.0.1", "-e", f"KUBERNETES_SERVICE_PORT={self.api_port}"]
        words += [word for key, value in variables.items() for word in ("-e", f"{key}={value}")]
        words += ["-v", f"{self.folder / 'accounts' / namespace}:/var/run/secrets/kubernetes.io/serviceaccount:ro"]
        for mount in container.get("volumeMounts", []):
            volume = self.folder / "volumes" / owner / mount["name"]
            volume.mkdir(parents=True, exist_ok=True)
            volume.chmod(0o777)
            words += ["-v", f"{volume}:{mount['mountPath']}"]
        self.names.append(name)
        self.initial |= set() if detached else {name}
        subprocess.run(
            [*words, container["image"], *self._command(owner, container, variables)], check=True, capture_output=True
        )

    def _command(self, owner: str, container: dict[str, Any], variables: dict[str, str]) -> list[str]:
        command: list[str] = list(container["command"])
        for key, value in variables.items():
            command = [word.replace(f"$({key})", value) for word in command]
        moved = {old: new for part, words in ELSEWHERE.items() if part in owner for old, new in words.items()}
        return [moved.get(word, word) for word in command]

    def states(self) -> dict[str, str]:
        return {
            name: subprocess.run(
                ["docker", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", name],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            for name in self.names
        }

    def logs(self) -> str:
        return "".join(
            subprocess.run(["docker", "logs", name], capture_output=True, text=True, check=True).stderr
            for name in self.names
        )

    def remove(self) -> None:
        for name in self.names:
            subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[tuple[Kubelet, Path]]:
    with supervised(TargetOptions(), lambda line: None) as (lease, supervisor):
        plan = Plan(private=lease.private, crds=crd_folders(), listeners=())
        words = ["--kubeconfig", str(plan.kubeconfig), "--dir", str(plan.private / "kubelet")]
        models = Part("kubelet", "harness.simulator.kubelet", lambda _: words, ("kubeapi",))
        supervisor.load([KUBERNETES.part(plan), models])
        ready = supervisor.until(supervisor.all_ready)
        manifests = reference_manifests(IMAGE, GATEWAY, STANDARD, SECURE)
        settings = next(entry["data"] for entry in manifests if entry["kind"] == "ConfigMap")
        kubelet = Kubelet(tmp_path, ready["kubeapi"]["api"].rpartition(":")[2], settings)
        try:
            with Cluster.connect(plan.kubeconfig) as cluster:
                apply_manifests(cluster, manifests)
                mount_accounts(cluster, plan.kubeconfig, tmp_path / "accounts")
                for deployment in deployments(manifests):
                    kubelet.run(deployment)
                cluster.apply(maas_api_slice(f"http://{MOVED_MAAS_API}"))
            yield kubelet, plan.kubeconfig
        finally:
            kubelet.remove()


def mount_accounts(cluster: Cluster, kubeconfig: Path, folder: Path) -> None:
    """Lay out what a kubelet mounts into Pods of each namespace."""
    authority = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["certificate-authority-data"]
    for namespace in ("opendatahub", "odh-ai-gateway-infra", "openshift-ingress"):
        mounted = folder / namespace
        mounted.mkdir(parents=True)
        account = Ref("v1", "ServiceAccount", "maas-reference", namespace)
        (mounted / "token").write_text(service_account_token(cluster, account))
        (mounted / "ca.crt").write_bytes(base64.b64decode(authority))
        (mounted / "namespace").write_text(namespace)


def test_the_reference_platform_runs_from_its_image_under_its_cluster_role(pods: tuple[Kubelet, Path]) -> None:
    kubelet, kubeconfig = pods
    options = TargetOptions(
        target="kind", kubeconfig=kubeconfig, gateway_url=GATEWAY, settings={"limiter-admin": LIMITER}
    )
    with Cluster.connect(kubeconfig) as cluster:
        world = world_documents(TargetOptions())
        apply_documents(cluster, world)
        wait_until_in_force(cluster, [document.manifest for document in world], Bound("ready_bound_s", 60))
        platform = describe(cluster, options, lambda line: None)
    assert platform.endpoints.standard_gateway == STANDARD
    for status, line in introduce(platform).examples:
        answered = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        assert answered.stdout.splitlines()[-1] == str(status)
    states = kubelet.states()
    assert {name: state for name, state in states.items() if name in kubelet.initial} == dict.fromkeys(
        kubelet.initial, "exited 0"
    )
    assert {state for name, state in states.items() if name not in kubelet.initial} == {"running 0"}
    assert "forbidden" not in kubelet.logs()
