"""What plans made before have in common with the next: most HTTPRoutes are as they were, and need not be read and drawn again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from harness.simulator.gateway.envoy_config.typed import JSON
from harness.simulator.gateway.plan.backends import Backend, Endpoints, backend
from harness.simulator.gateway.plan.gatewayapi import Key, Object, key
from harness.simulator.gateway.plan.implied import Heirs, heirs
from harness.simulator.gateway.plan.routes import Hosting, PlannedRoute, dropped, planned, rendered, virtual_hosts
from harness.simulator.gateway.plan.snapshot import Snapshot

Reference = tuple[int, Object]
"""A backendRef and its place in the rule."""
Listened = tuple[Hosting, tuple[tuple[str, tuple[Key, ...]], ...]]
"""How a gateway serves, and which HTTPRoutes are at which hostname of one of its listeners."""


@dataclass(frozen=True, slots=True, eq=False)
class RouteGroup:
    """An HTTPRoute as one gateway serves it. `dropped`: why a part of it is not served; `heirs`: see `implied`.

    `drawn` is Envoy's route for each of `routes` that was needed, by identity; it fills with time.

    `created`, `spec`, `hosting` and `backends` are what it was made from; a rule's references are in `references`, each once, by its place.
    """

    created: str
    spec: Object
    hosting: Hosting
    references: tuple[Reference, ...]
    backends: tuple[Backend, ...]
    routes: tuple[PlannedRoute, ...] = field(repr=False)
    dropped: str | None
    heirs: Heirs = field(repr=False)
    drawn: dict[int, JSON] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Hosts:
    """Virtual hosts, and the groups that they were made of."""

    made_of: tuple[RouteGroup, ...]
    drawn: list[JSON]


class Memory:
    """Groups and virtual hosts of the latest plan. What is asked for between `begin` and the next one is kept, the rest forgotten."""

    def __init__(self) -> None:
        self._groups_before: dict[tuple[Key, Key], RouteGroup] = {}
        self._groups: dict[tuple[Key, Key], RouteGroup] = {}
        self._hosts_before: dict[Listened, Hosts] = {}
        self._hosts: dict[Listened, Hosts] = {}

    def begin(self) -> None:
        """Another plan is made."""
        self._groups_before, self._groups = self._groups, {}
        self._hosts_before, self._hosts = self._hosts, {}

    def group(self, route: Object, snapshot: Snapshot, endpoints: Endpoints, hosting: Hosting) -> RouteGroup:
        """An HTTPRoute on a gateway, made anew where its spec, its backends or the gateway's hosting are others than in the plan before."""
        name = (hosting.gateway, key(route))
        known = self._groups_before.get(name)
        if (
            known is None
            or not is_made_from(known, route, hosting)
            or followed(route, known, snapshot, endpoints) != known.backends
        ):
            known = route_group(route, snapshot, endpoints, hosting)
        self._groups[name] = known
        return known

    def hosts(self, attached: Mapping[str, Mapping[Key, RouteGroup]], hosting: Hosting) -> list[JSON]:
        """The virtual hosts of a listener with these groups at its hostnames; shared by listeners, and by plans, that have the same."""
        listened = (hosting, tuple((host, tuple(groups)) for host, groups in attached.items()))
        made_of = tuple(group for groups in attached.values() for group in groups.values())
        known = self._hosts.get(listened) or self._hosts_before.get(listened)
        if known is None or any(one is not other for one, other in zip(known.made_of, made_of, strict=True)):
            known = Hosts(made_of, self._virtual_hosts(attached, made_of, hosting))
        self._hosts[listened] = known
        return known.drawn

    def _virtual_hosts(
        self, attached: Mapping[str, Mapping[Key, RouteGroup]], made_of: tuple[RouteGroup, ...], hosting: Hosting
    ) -> list[JSON]:
        by_host = {
            host: [item for group in groups.values() for item in group.routes] for host, groups in attached.items()
        }
        known: dict[int, int] = {}
        for group in made_of:
            known.update(group.heirs)
        return virtual_hosts(by_host, hosting, known, self._drawn)

    def _drawn(self, item: PlannedRoute, hosting: Hosting) -> JSON:
        drawn = self._groups[hosting.gateway, item.route].drawn
        if id(item) not in drawn:
            drawn[id(item)] = rendered(item, hosting)
        return drawn[id(item)]


def is_made_from(group: RouteGroup, route: Object, hosting: Hosting) -> bool:
    """Whether the HTTPRoute and the gateway's hosting are as they were."""
    created = str(route["metadata"].get("creationTimestamp") or "")
    return (group.created, group.hosting) == (created, hosting) and group.spec == (route.get("spec") or {})


def followed(route: Object, group: RouteGroup, snapshot: Snapshot, endpoints: Endpoints) -> tuple[Backend, ...]:
    """Where the group's references lead now."""
    return tuple(backend(route, place, reference, snapshot, endpoints) for place, reference in group.references)


def route_group(route: Object, snapshot: Snapshot, endpoints: Endpoints, hosting: Hosting) -> RouteGroup:
    """An HTTPRoute on a gateway. References that several rules have at the same place are followed once."""
    created = str(route["metadata"].get("creationTimestamp") or "")
    spec: Object = route.get("spec") or {}
    known: dict[Any, tuple[Reference, Backend]] = {}

    def once(place: int, reference: Object) -> Backend:
        asked = (place, orjson.dumps(reference, option=orjson.OPT_SORT_KEYS))
        if asked not in known:
            known[asked] = ((place, reference), backend(route, place, reference, snapshot, endpoints))
        return known[asked][1]

    by_rule = [
        tuple(once(place, reference) for place, reference in enumerate(rule.get("backendRefs") or ()))
        for rule in spec.get("rules") or ()
    ]
    routes = tuple(sorted(planned(route, by_rule, hosting), key=lambda item: item.order))
    return RouteGroup(
        created,
        spec,
        hosting,
        tuple(reference for reference, _ in known.values()),
        tuple(found for _, found in known.values()),
        routes,
        dropped(route),
        heirs(routes),
    )
