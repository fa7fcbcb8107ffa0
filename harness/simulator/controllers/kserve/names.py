"""Names and labels of what an LLMInferenceService becomes, as KServe writes them."""

import hashlib

from harness.simulator.controllers.runtime.manifest import Manifest, spec

LONGEST = 63
HEADER = "X-Gateway-Model-Name"
FINALIZER = "serving.kserve.io/llmisvc-finalizer"
STOP = "serving.kserve.io/stop"
SERVED_NAMES = "maas-conformance.dev/served-model-names"
PORT = 8000


def child_name(parent: str, suffix: str) -> str:
    """`parent` + `suffix`, shortened with a digest where the sum would not be a DNS label (knative's rule)."""
    if len(parent) + len(suffix) <= LONGEST:
        return parent + suffix
    digest = hashlib.md5(parent.encode(), usedforsecurity=False).hexdigest()
    return parent[: LONGEST - len(digest) - len(suffix)] + digest + suffix


def deployment_name(service: Manifest) -> str:
    """Name of the model's Deployment."""
    return child_name(service["metadata"]["name"], "-kserve")


def workload_service_name(service: Manifest) -> str:
    """Name of the Service in front of the model's Pods."""
    return child_name(service["metadata"]["name"], "-kserve-workload-svc")


def route_name(service: Manifest) -> str:
    """Name of the managed HTTPRoute."""
    return child_name(service["metadata"]["name"], "-kserve-route")


def model_name(service: Manifest) -> str:
    """`spec.model.name`, which defaults to the object's own name."""
    return str((spec(service).get("model") or {}).get("name") or service["metadata"]["name"])


def published_name(service: Manifest) -> str:
    """The name that is unique in the cluster: `publishers/{namespace}/models/{model}`."""
    return f"publishers/{service['metadata']['namespace']}/models/{model_name(service)}"


def served_names(service: Manifest) -> list[str]:
    """Names the model server answers to; the last one, the object's own, is what the setup guide's request sends."""
    names = [model_name(service), published_name(service), service["metadata"]["name"]]
    return list(dict.fromkeys(names))


def workload_labels(service: Manifest) -> dict[str, str]:
    """Labels of Deployment and Pods, and their selector."""
    return {
        "app.kubernetes.io/name": service["metadata"]["name"],
        "app.kubernetes.io/part-of": "llminferenceservice",
        "app.kubernetes.io/component": "llminferenceservice-workload",
        "kserve.io/component": "workload",
        "llm-d.ai/role": "both",
    }


def route_labels(service: Manifest) -> dict[str, str]:
    """Labels of the HTTPRoute: the only thing by which MaaS finds it."""
    return {
        "app.kubernetes.io/name": service["metadata"]["name"],
        "app.kubernetes.io/component": "llminferenceservice-router",
        "app.kubernetes.io/part-of": "llminferenceservice",
    }


def is_stopped(service: Manifest) -> bool:
    """Whether a person asked for the model to be stopped."""
    annotations = service["metadata"].get("annotations") or {}
    return str(annotations.get(STOP, "")).lower() == "true"
