"""What built-in kinds do beyond their schema: defaults, checks and consequences."""

import base64
from typing import Any

from harness.simulator.kubeapi import crds
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.defaults import DEFAULTS
from harness.simulator.kubeapi.resources import Resource

Json = dict[str, Any]
# Built-in kinds whose changes of specification are counted; the others never show a generation.
_GENERATIONAL = {
    "ControllerRevision", "CronJob", "CustomResourceDefinition", "DaemonSet", "Deployment", "EndpointSlice", "HorizontalPodAutoscaler",
    "Ingress", "IngressClass", "Job", "MutatingWebhookConfiguration", "NetworkPolicy", "Pod", "PodDisruptionBudget", "PriorityClass",
    "ReplicaSet",
    "ReplicationController", "StatefulSet", "ValidatingWebhookConfiguration",
}  # fmt: skip


def counts_generations(resource: Resource) -> bool:
    """Whether objects of a kind carry `metadata.generation`."""
    return resource.custom or resource.kind in _GENERATIONAL


def fill_in(value: Json, resource: Resource) -> None:
    """Defaults that a cluster sets in code rather than by schema."""
    fill = DEFAULTS.get(resource.kind)
    if fill is not None:
        fill(value)


def on_create(value: Json, resource: Resource, cluster: Cluster) -> None:
    """Consequences of creation."""
    match (resource.group, resource.kind):
        case ("", "Namespace"):
            value.setdefault("metadata", {}).setdefault("labels", {})["kubernetes.io/metadata.name"] = value[
                "metadata"
            ].get("name", "")
            value["spec"] = {"finalizers": ["kubernetes"]}
            value["status"] = {"phase": "Active"}
        case ("", "Pod"):
            value["status"] = {"phase": "Pending", "qosClass": "BestEffort", **(value.get("status") or {})}
        case ("", "Service"):
            _address(value, cluster)
            value.setdefault("status", {"loadBalancer": {}})
        case ("policy", _):
            value["status"] = dict.fromkeys(
                ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"), 0
            )
        case ("apps" | "batch" | "autoscaling", _):
            value["status"] = {}
        case ("", "Secret"):
            _string_data(value)
        case ("apiextensions.k8s.io", _):
            value.pop("status", None)


def on_update(value: Json, old: Json, resource: Resource, subresource: str) -> None:
    """Consequences of an update: what the server carries over."""
    if resource.group or subresource:
        return
    if resource.kind == "Secret":
        _string_data(value)
    if resource.kind == "Namespace":
        value["spec"] = old.get("spec", {})
        value["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = value["metadata"]["name"]
    if resource.kind == "Service":
        spec, before = value.setdefault("spec", {}), old.get("spec", {})
        for name in ("clusterIP", "clusterIPs"):
            if name in before and name not in spec:
                spec[name] = before[name]


def on_delete(value: Json, resource: Resource) -> None:
    """Refuse deletions that a cluster refuses."""
    from harness.simulator.kubeapi.status import forbidden

    if (resource.group, resource.kind) == ("", "Namespace") and value["metadata"]["name"] in {
        "default",
        "kube-system",
        "kube-public",
    }:
        raise forbidden("namespaces", "", value["metadata"]["name"], "this namespace may not be deleted")


def _string_data(value: Json) -> None:
    plain = value.pop("stringData", None)
    if plain:
        data = value.setdefault("data", {})
        data.update({key: base64.b64encode(str(text).encode()).decode() for key, text in plain.items()})


def _address(value: Json, cluster: Cluster) -> None:
    spec = value.setdefault("spec", {})
    if spec.get("type") == "ExternalName" or spec.get("clusterIP"):
        if spec.get("clusterIP"):
            spec.setdefault("clusterIPs", [spec["clusterIP"]])
        return
    taken = {entry.decode()["spec"].get("clusterIP") for entry in cluster.store.objects(("", "services"))}
    number = 10
    while (address := f"10.96.{number // 250}.{number % 250 + 1}") in taken:
        number += 1
    spec["clusterIP"] = address
    spec["clusterIPs"] = [address]


def settle(value: Json, resource: Resource) -> None:
    """What the server itself writes on an object that passed its checks."""
    if resource.group == "apiextensions.k8s.io":
        crds.establish(value)
