"""The whole plan: listeners, routes and clusters for Envoy, limits for the limiter, and what may be said in statuses afterwards."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.simulator.gateway.envoy_config.clusters import ClusterConfig
from harness.simulator.gateway.envoy_config.typed import JSON
from harness.simulator.gateway.plan.attachment import Attachment, attachments
from harness.simulator.gateway.plan.backends import Endpoints
from harness.simulator.gateway.plan.gatewayapi import Key, Listener, announced_ports, listeners
from harness.simulator.gateway.plan.memory import Memory, RouteGroup
from harness.simulator.gateway.plan.policies import Limits, Standing, by_target, effective_limits, standings
from harness.simulator.gateway.plan.routes import (
    Hosting,
    PlannedRoute,
    clusters,
    provider_keys,
    route_configuration,
)
from harness.simulator.gateway.plan.snapshot import Snapshot
from harness.simulator.gateway.plan.telemetry import Labels, labels_at, telemetry_standings

MAAS_LABEL = ("app.kubernetes.io/name", "maas")
Endpoint = tuple[str, str, str]
"""Namespace, Gateway and listener: of a `--listen`, or of a Gateway that appeared later."""
SPOKEN = frozenset({"HTTP", "HTTPS"})


@dataclass(frozen=True, slots=True)
class PlannedListener:
    """What one `--listen` serves. `listener` is None while the Gateway, or a listener of that name, does not exist."""

    endpoint: Endpoint
    listener: Listener | None
    hosting: Hosting
    routes: JSON

    @property
    def name(self) -> str:
        """Envoy's name of it."""
        return "/".join(self.endpoint)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that follows from one snapshot."""

    listeners: tuple[PlannedListener, ...]
    clusters: Mapping[str, ClusterConfig]
    limits: Mapping[str, Limits]
    labels: Mapping[str, Labels]
    attachments: tuple[Attachment, ...]
    unresolved: Mapping[Key, tuple[str, str]]
    dropped: Mapping[Key, str]
    idle: frozenset[Key]
    auth_standings: Mapping[Key, Standing]
    token_standings: Mapping[Key, Standing]
    telemetry_standings: Mapping[Key, Standing]
    governed: frozenset[Key]
    provider_keys: Mapping[str, str] = field(repr=False)


def governed_gateways(snapshot: Snapshot, endpoints: Iterable[Endpoint], before: frozenset[Key]) -> frozenset[Key]:
    """Gateways that MaaS governs: labelled as MaaS's, or with a policy on them.

    A policy on a route governs no Gateway: the route may hang on a standard gateway too, and that one stays standard.

    Once governed, a Gateway stays so while it exists: deleting its policies must close it, not open it.
    """
    ours = {(namespace, name) for namespace, name, _ in endpoints} & set(snapshot.gateways)
    auth, token = by_target(snapshot.auth_policies), by_target(snapshot.token_policies)
    found = set(before & ours)
    for gateway in ours:
        labels = snapshot.gateways[gateway]["metadata"].get("labels") or {}
        if labels.get(MAAS_LABEL[0]) == MAAS_LABEL[1] or ("Gateway", gateway) in auth or ("Gateway", gateway) in token:
            found.add(gateway)
    return frozenset(found & ours)


def listened_for(snapshot: Snapshot) -> dict[Endpoint, int]:
    """Listeners of every Gateway whose class exists and that is there to stay, where Envoy speaks their protocol.

    With each, the port at which it was announced to be reached; 0 where it was not yet.
    """
    return {
        (*name, item.name): announced_ports(gateway).get(item.name, 0)
        for name, gateway in snapshot.gateways.items()
        if not gateway["metadata"].get("deletionTimestamp")
        and ("", str(gateway.get("spec", {}).get("gatewayClassName") or "")) in snapshot.gateway_classes
        for item in listeners(gateway)
        if item.protocol in SPOKEN
    }


def make_plan(
    snapshot: Snapshot,
    endpoints: tuple[Endpoint, ...],
    before: frozenset[Key] = frozenset(),
    memory: Memory | None = None,
) -> Plan:
    """Plan for the listeners of `endpoints`. `before`: the Gateways that were governed in the previous plan; `memory`: what it left."""
    memory = memory if memory is not None else Memory()
    memory.begin()
    ours = {(namespace, name) for namespace, name, _ in endpoints} & set(snapshot.gateways)
    governed = governed_gateways(snapshot, endpoints, before)
    auth = by_target(snapshot.auth_policies)
    token = by_target(snapshot.token_policies)
    found = tuple(item for item in attachments(snapshot) if item.parent.gateway in ours)
    slices = Endpoints(snapshot)
    telemetry, labels = by_target(snapshot.telemetry_policies), dict[str, Labels]()
    hostings = {
        gateway: Hosting(
            governed=gateway in governed,
            open=("Gateway", gateway) in auth,
            gateway=gateway,
        )
        for gateway in ours
    }
    by_gateway: dict[Key, dict[Key, RouteGroup]] = {gateway: {} for gateway in ours}
    limits: dict[str, Limits] = {}
    for item in found:
        if not item.accepted:
            continue
        gateway = item.parent.gateway
        if item.route not in by_gateway[gateway]:
            found_here = memory.group(snapshot.routes[item.route], snapshot, slices, hostings[gateway])
            by_gateway[gateway][item.route] = found_here
        if gateway in governed:
            limits["/".join(item.route)] = effective_limits(item.route, gateway, token)
            labels["/".join(item.route)] = labels_at(gateway, telemetry)
    served = {gateway: set(routes) for gateway, routes in by_gateway.items()}
    auth_standings, token_standings = standings(snapshot, served)
    groups = {name: group for routes in by_gateway.values() for name, group in routes.items()}
    everything = [item for routes in by_gateway.values() for group in routes.values() for item in group.routes]
    return Plan(
        listeners=tuple(planned_listener(item, snapshot, found, by_gateway, hostings, memory) for item in endpoints),
        clusters=clusters(everything),
        limits=limits,
        labels=labels,
        attachments=found,
        unresolved=unresolved(everything),
        dropped={name: group.dropped for name, group in groups.items() if group.dropped is not None},
        idle=idle(everything),
        auth_standings=auth_standings,
        token_standings=token_standings,
        telemetry_standings=telemetry_standings(snapshot, served),
        governed=governed,
        provider_keys=provider_keys(everything),
    )


def planned_listener(
    endpoint: Endpoint,
    snapshot: Snapshot,
    found: Iterable[Attachment],
    by_gateway: Mapping[Key, Mapping[Key, RouteGroup]],
    hostings: Mapping[Key, Hosting],
    memory: Memory,
) -> PlannedListener:
    """One listener with the routes that are attached to it."""
    gateway, section = endpoint[:2], endpoint[2]
    name = "/".join(endpoint)
    known = snapshot.gateways.get(gateway)
    existing = next((item for item in listeners(known) if item.name == section), None) if known else None
    if existing is None:
        return PlannedListener(endpoint, None, Hosting(governed=False, open=False), route_configuration(name, []))
    attached: dict[str, dict[Key, RouteGroup]] = {}
    for item in found:
        if item.parent.gateway == gateway and item.accepted:
            for hostname in dict(item.hostnames).get(section, ()):
                attached.setdefault(hostname, {})[item.route] = by_gateway[gateway][item.route]
    hosts = memory.hosts(attached, hostings[gateway])
    return PlannedListener(endpoint, existing, hostings[gateway], route_configuration(name, hosts))


def unresolved(items: Iterable[PlannedRoute]) -> dict[Key, tuple[str, str]]:
    """Reason and message for each route that has a backendRef which cannot be resolved."""
    return {
        item.route: (found.reason, found.message) for item in items for found in item.backends if found.cluster is None
    }


def idle(items: Iterable[PlannedRoute]) -> frozenset[Key]:
    """Routes of which some backend has no ready endpoint: Envoy answers 503 for them."""
    return frozenset(
        item.route
        for item in items
        for found in item.backends
        if found.cluster is not None and not found.cluster.endpoints
    )
