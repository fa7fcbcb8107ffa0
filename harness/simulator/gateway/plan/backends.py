"""backendRefs to clusters: Service, its port, and the ready addresses of its EndpointSlices; or a provider's host outside."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.simulator.gateway.envoy_config.clusters import ClusterConfig
from harness.simulator.gateway.envoy_config.outside import Outside
from harness.simulator.gateway.plan.gatewayapi import Key, Object, key, text
from harness.simulator.gateway.plan.providers import UnusableBackendError, access, in_cluster, refuse_this_machine
from harness.simulator.gateway.plan.snapshot import Snapshot

ADDRESS = "maas-conformance.dev/address"
SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Backend:
    """One resolved backendRef. `cluster` is None where it cannot be resolved, and `reason` says why (a ResolvedRefs reason).

    `key`: the text of the header with the provider's key, for a provider outside.
    """

    cluster: ClusterConfig | None
    weight: int
    reason: str = "ResolvedRefs"
    message: str = ""
    key: str = field(default="", repr=False)


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


def backend(owner: Object, index: int, reference: Object, snapshot: Snapshot, endpoints: Endpoints) -> Backend:
    """Resolve the backendRef at place `index` of a rule of the HTTPRoute `owner`."""
    route = key(owner)
    weight = int(reference.get("weight", 1))
    if (reference.get("group") or "", reference.get("kind") or "Service") != ("", "Service"):
        return Backend(
            None, weight, "InvalidKind", f"expected a Service, got {reference.get('group')}/{reference.get('kind')}"
        )
    target = (str(reference.get("namespace") or route[0]), str(reference["name"]))
    if target[0] != route[0] and not granted(route, target, snapshot):
        return Backend(None, weight, "RefNotPermitted", f"no ReferenceGrant admits the Service {text(target)}")
    try:
        service, port = service_port(target, reference.get("port"), snapshot)
        if service["spec"].get("type") == "ExternalName":
            return outside(owner, index, weight, service, port, snapshot, endpoints)
    except UnusableBackendError as error:
        return Backend(None, weight, "BackendNotFound", str(error))
    return Backend(cluster_of(target, port, endpoints), weight)


def service_port(target: Key, number: Any, snapshot: Snapshot) -> tuple[Object, Object]:
    """A Service and its port of that number. Raises UnusableBackendError."""
    service = snapshot.services.get(target)
    if service is None:
        raise UnusableBackendError(f"the Service {text(target)} does not exist")
    port: Object | None = next((item for item in service["spec"].get("ports") or () if item["port"] == number), None)
    if port is None:
        raise UnusableBackendError(f"the Service {text(target)} has no port {number}")
    return service, port


def is_https(port: Object) -> bool:
    """Whether a Service's port says that TLS is spoken there."""
    return (port.get("appProtocol") or port.get("name")) == "https"


def cluster_of(target: Key, port: Object, endpoints: Endpoints) -> ClusterConfig:
    """The cluster of a Service port. An `https` port is spoken to with TLS and without verification, as KServe's self-signed pods need."""
    addresses = endpoints.addresses(target, port.get("name") or "")
    return ClusterConfig(f"{text(target)}:{port['port']}", addresses, is_https(port))


def outside(
    route: Object, index: int, weight: int, service: Object, port: Object, snapshot: Snapshot, endpoints: Endpoints
) -> Backend:
    """A Service that is a name. A name of the cluster means a Service, in the route's own namespace unless a grant admits another.

    Raises UnusableBackendError.
    """
    host = str(service["spec"]["externalName"])
    refuse_this_machine(host)
    found = access(route, index, service, snapshot)
    known = found.outside if found is not None else Outside(host)
    name = f"{text(key(route))}:{index}:{key(service)[1]}:{port['port']}"
    target = in_cluster(host)
    if target is None:
        cluster = ClusterConfig(name, ((host, int(port["port"])),), is_https(port), known, by_name=True)
    else:
        addresses = inner_addresses(key(route), target, int(port["port"]), snapshot, endpoints)
        cluster = ClusterConfig(name, addresses, is_https(port), known)
    return Backend(cluster, weight, key=found.key if found is not None else "")


def inner_addresses(
    route: Key, target: Key, number: int, snapshot: Snapshot, endpoints: Endpoints
) -> tuple[tuple[str, int], ...]:
    """Ready addresses behind a Service's port. Raises UnusableBackendError."""
    if target[0] != route[0] and not granted(route, target, snapshot):
        raise UnusableBackendError(f"no ReferenceGrant admits the Service {text(target)}")
    _, port = service_port(target, number, snapshot)
    return endpoints.addresses(target, port.get("name") or "")
