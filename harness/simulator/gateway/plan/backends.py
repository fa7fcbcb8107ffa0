"""backendRefs to clusters: Service, its port, and the ready addresses of its EndpointSlices."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.simulator.gateway.envoy_config.clusters import ClusterConfig
from harness.simulator.gateway.plan.gatewayapi import Key, Object, key, text
from harness.simulator.gateway.plan.snapshot import Snapshot

ADDRESS = "maas-conformance.dev/address"
SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Backend:
    """One resolved backendRef. `cluster` is None where it cannot be resolved, and `reason` says why (a ResolvedRefs reason)."""

    cluster: ClusterConfig | None
    weight: int
    reason: str = "ResolvedRefs"
    message: str = ""


class Endpoints:
    """EndpointSlices by Service, built once per snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._slices: dict[Key, list[Object]] = {}
        item: Object
        for item in snapshot.endpoint_slices.values():
            service = (item["metadata"].get("labels") or {}).get(SERVICE_LABEL)
            if service:
                self._slices.setdefault((key(item)[0], service), []).append(item)

    def addresses(self, service: Key, port_name: str) -> tuple[tuple[str, int], ...]:
        """Ready addresses of a Service's named port, sorted, without repetition."""
        return tuple(sorted({pair for item in self._slices.get(service, ()) for pair in ready(item, port_name)}))


def ready(item: Object, port_name: str) -> Iterator[tuple[str, int]]:
    """Address and port of each ready endpoint of one slice.

    A process on this machine is announced by annotation: a Kubernetes API refuses loopback addresses in a slice.
    """
    announced = (item["metadata"].get("annotations") or {}).get(ADDRESS)
    ports: list[Object] = [port for port in item.get("ports") or () if port.get("port")]
    numbers = [port["port"] for port in ports if (port.get("name") or "") == port_name]
    if not numbers and len(ports) == 1:
        numbers = [ports[0]["port"]]
    for endpoint in item.get("endpoints") or ():
        if (endpoint.get("conditions") or {}).get("ready") is False:
            continue
        for address in (announced,) if announced else endpoint.get("addresses") or ():
            for number in numbers:
                yield str(address), int(number)


def granted(route: Key, target: Key, snapshot: Snapshot) -> bool:
    """Whether a ReferenceGrant in the Service's namespace admits this route's namespace."""
    for grant in snapshot.reference_grants.values():
        if key(grant)[0] != target[0]:
            continue
        spec = grant.get("spec", {})
        sources = [
            item
            for item in spec.get("from") or ()
            if item.get("kind") == "HTTPRoute" and item.get("namespace") == route[0]
        ]
        targets = [
            item
            for item in spec.get("to") or ()
            if item.get("kind") == "Service" and item.get("name") in (None, target[1])
        ]
        if sources and targets:
            return True
    return False


def backend(route: Key, reference: Object, snapshot: Snapshot, endpoints: Endpoints) -> Backend:
    """Resolve one backendRef."""
    weight = int(reference.get("weight", 1))
    if (reference.get("group") or "", reference.get("kind") or "Service") != ("", "Service"):
        return Backend(
            None, weight, "InvalidKind", f"expected a Service, got {reference.get('group')}/{reference.get('kind')}"
        )
    target = (str(reference.get("namespace") or route[0]), str(reference["name"]))
    if target[0] != route[0] and not granted(route, target, snapshot):
        return Backend(None, weight, "RefNotPermitted", f"no ReferenceGrant admits the Service {text(target)}")
    service = snapshot.services.get(target)
    if service is None:
        return Backend(None, weight, "BackendNotFound", f"the Service {text(target)} does not exist")
    ports: list[dict[str, Any]] = [
        item for item in service.get("spec", {}).get("ports") or () if item["port"] == reference.get("port")
    ]
    if not ports:
        return Backend(
            None, weight, "BackendNotFound", f"the Service {text(target)} has no port {reference.get('port')}"
        )
    return Backend(cluster_of(target, service, ports[0], endpoints), weight)


def cluster_of(target: Key, service: Object, port: Object, endpoints: Endpoints) -> ClusterConfig:
    """The cluster of a Service port. An `https` port is spoken to with TLS and without verification, as KServe's self-signed pods need."""
    tls = (port.get("appProtocol") or port.get("name")) == "https"
    name = f"{text(target)}:{port['port']}"
    outside = (
        service.get("spec", {}).get("externalName") if service.get("spec", {}).get("type") == "ExternalName" else None
    )
    if outside:
        return ClusterConfig(name, ((str(outside), int(port["port"])),), tls, str(outside))
    return ClusterConfig(name, endpoints.addresses(target, port.get("name") or ""), tls)
