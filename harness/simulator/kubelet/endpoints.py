"""EndpointSlices: where a Service's Pods really listen. One slice a Pod, because each process has a port of its own."""

from typing import Any

from harness.simulator.controllers.kserve.names import child_name
from harness.simulator.controllers.runtime.manifest import Manifest, is_deleting, labels, owner_reference, spec
from harness.simulator.kubelet.pod import ADDRESS, URL, is_ready

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
LOOPBACK = "maas-conformance.dev/address"
PLACEHOLDER = "192.0.2.1"
"""A Kubernetes API refuses loopback addresses in a slice, so the real one stands in the annotation (the gateway stand-in reads it)."""
MANAGER = "kubelet.maas-conformance.dev"


def selects(service: Manifest, pod: Manifest) -> bool:
    """Whether the Service's selector matches the Pod; a Service without one selects nothing."""
    selector = spec(service).get("selector") or {}
    found = labels(pod)
    same = service["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return bool(selector) and same and all(found.get(name) == value for name, value in selector.items())


def port_of(pod: Manifest) -> int | None:
    """The port that the Pod's process announced."""
    url = (pod["metadata"].get("annotations") or {}).get(URL)
    return int(str(url).rsplit(":", 1)[1]) if url else None


def endpoint_slice(service: Manifest, pod: Manifest) -> Manifest | None:
    """The slice for one Pod of a Service; None while the Pod has no port."""
    port = port_of(pod)
    if port is None:
        return None
    ready = is_ready(pod) and not is_deleting(pod)
    suffix = "-" + pod["metadata"]["name"].rsplit("-", 1)[-1]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": child_name(service["metadata"]["name"], suffix),
            "namespace": service["metadata"]["namespace"],
            "labels": {SERVICE_LABEL: service["metadata"]["name"], MANAGER_LABEL: MANAGER},
            "annotations": {LOOPBACK: ADDRESS},
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [PLACEHOLDER],
                "conditions": {"ready": ready, "serving": is_ready(pod), "terminating": is_deleting(pod)},
                "nodeName": spec(pod).get("nodeName") or "",
                "targetRef": {
                    "kind": "Pod",
                    "name": pod["metadata"]["name"],
                    "namespace": pod["metadata"]["namespace"],
                    "uid": pod["metadata"]["uid"],
                },
            }
        ],
        "ports": [_port(entry, port) for entry in spec(service).get("ports") or ()],
    }


def _port(entry: dict[str, Any], port: int) -> dict[str, Any]:
    named = {"name": entry.get("name") or "", "port": port, "protocol": entry.get("protocol") or "TCP"}
    return named | ({"appProtocol": entry["appProtocol"]} if entry.get("appProtocol") else {})
