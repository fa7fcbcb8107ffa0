"""The Deployment and the Service of a model."""

import json
from typing import Any

from harness.simulator.controllers.kserve.names import (
    PORT,
    SERVED_NAMES,
    deployment_name,
    model_name,
    served_names,
    workload_labels,
    workload_service_name,
)
from harness.simulator.controllers.runtime.manifest import Manifest, owner_reference, spec

MAIN = "main"
_COPIED_ANNOTATIONS = ("prometheus.io/", "k8s.v1.cni.cncf.io", "kueue.x-k8s.io/")


def deployment(service: Manifest, image: str) -> Manifest:
    """The Deployment that runs the model: the preset's container with the template laid over it."""
    labels = workload_labels(service)
    annotations = {SERVED_NAMES: json.dumps(served_names(service))} | (spec(service).get("annotations") or {})
    for name, value in (service["metadata"].get("annotations") or {}).items():
        if name.startswith(_COPIED_ANNOTATIONS):
            annotations[name] = value
    wanted: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": (spec(service).get("labels") or {}) | labels, "annotations": annotations},
            "spec": pod_spec(service, image),
        },
    }
    if spec(service).get("replicas") is not None:
        wanted["replicas"] = spec(service)["replicas"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": deployment_name(service),
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
        },
        "spec": wanted,
    }


def pod_spec(service: Manifest, image: str) -> dict[str, Any]:
    """The Pod: everything of `spec.template`, and a container `main` that serves the model."""
    template = dict(spec(service).get("template") or {})
    containers = list(template.get("containers") or [])
    own: dict[str, Any] = next((entry for entry in containers if entry.get("name") == MAIN), {})
    others = [entry for entry in containers if entry.get("name") != MAIN]
    return template | {"containers": [main_container(service, own, image), *others]}


def main_container(service: Manifest, own: dict[str, Any], image: str) -> dict[str, Any]:
    """The preset's container with the user's fields laid over it; a user's `command` replaces the preset's whole."""
    container: dict[str, Any] = {
        "name": MAIN,
        "image": image,
        "ports": [{"containerPort": PORT, "name": "http", "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": PORT, "scheme": "HTTP"}, "periodSeconds": 1},
    }
    container |= own
    if not own.get("command"):
        container["command"] = preset_command(service, own)
    return container


def preset_command(service: Manifest, own: dict[str, Any]) -> list[str]:
    """What the preset runs: a real vLLM where the user names an image of their own, the mock otherwise."""
    names = ["--served-model-name", *served_names(service), "--port", str(PORT)]
    if own.get("image"):
        return ["vllm", "serve", model_source(service), *names]
    # the mock listens on loopback unless told otherwise, where no Service reaches it
    return ["mock-vllm", "serve", model_name(service), *names, "--host", "0.0.0.0"]  # noqa: S104 - a Pod's own address


def model_source(service: Manifest) -> str:
    """What vLLM loads: the repository of an `hf://` address, else where the weights are mounted."""
    uri = str((spec(service).get("model") or {}).get("uri") or "")
    return uri.removeprefix("hf://") if uri.startswith("hf://") else "/mnt/models"


def workload_service(service: Manifest) -> Manifest:
    """The Service that the route's backends name."""
    labels = workload_labels(service)
    selected = ("app.kubernetes.io/name", "app.kubernetes.io/part-of", "kserve.io/component")
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": workload_service_name(service),
            "namespace": service["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {name: labels[name] for name in selected},
            "ports": [
                {"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP", "appProtocol": "http"},
            ],
        },
    }
