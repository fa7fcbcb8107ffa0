"""The component as a process, and the objects that it follows."""

import contextlib
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.kubeapi.serving import eventually

from . import documents

GROUP = "/apis/maas.opendatahub.io/v1alpha1"
MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclass(frozen=True, slots=True)
class Running:
    """A started component."""

    process: subprocess.Popen[str]
    api: str
    metrics: str

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.api, trust_env=False, timeout=10, **options)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@contextlib.contextmanager
def started(folder: Path, kubeconfig: Path, namespace: str, *options: str) -> Iterator[Running]:
    ready = folder / f"ready-{uuid.uuid4().hex[:6]}.json"
    command = [
        sys.executable,
        "-m",
        "harness.simulator.maas_api",
        "--kubeconfig",
        str(kubeconfig),
        "--ready-file",
        str(ready),
    ]
    command += ["--database", f"sqlite:///{folder}/keys.db", "--subscription-namespace", namespace, *options]
    with (folder / "maas-api.log").open("a") as log:
        process = subprocess.Popen(command, stderr=log, text=True)
    try:
        eventually(ready.exists, "maas-api is ready", alive=lambda: process.poll() is None)
        document = json.loads(ready.read_text())
        assert document["pid"] == process.pid
        yield Running(process, document["endpoints"]["api"], document["endpoints"]["metrics"])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def put(kube: httpx.Client, plural: str, kind: str, namespace: str, document: dict[str, Any]) -> str:
    """Create an object with its status; the path of the object."""
    body = document | {"apiVersion": "maas.opendatahub.io/v1alpha1", "kind": kind}
    body["metadata"] = {key: value for key, value in body["metadata"].items() if key in {"name", "annotations"}}
    path = f"{GROUP}/namespaces/{namespace}/{plural}"
    kube.post(path, json=body).raise_for_status()
    path += f"/{body['metadata']['name']}"
    if "status" in document:
        kube.patch(f"{path}/status", json={"status": document["status"]}, headers=MERGE).raise_for_status()
    return path


def identity(username: str = "alice", groups: str = '["system:authenticated"]') -> dict[str, str]:
    return {"X-MaaS-Username": username, "X-MaaS-Group": groups}


def offer(kube: httpx.Client, namespace: str) -> str:
    """A model that alice may call and pays for; the path of the model."""
    name = f"m-{uuid.uuid4().hex[:8]}"
    path = put(kube, "maasmodelrefs", "MaaSModelRef", "llm", documents.model(name))
    put(
        kube,
        "maassubscriptions",
        "MaaSSubscription",
        namespace,
        documents.subscription("basic", [name], users=("alice",)),
    )
    put(kube, "maasauthpolicies", "MaaSAuthPolicy", namespace, documents.policy("access", [name], users=("alice",)))
    return path
