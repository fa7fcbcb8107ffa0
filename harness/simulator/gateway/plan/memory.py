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
Drawn = dict[int, tuple[PlannedRoute, JSON]]
"""Envoy's routes by the identity of what they were drawn from, which lives as long as its entry."""


@dataclass(frozen=True, slots=True)
class RouteGroup:
    """An HTTPRoute as one gateway serves it. `dropped`: why a part of it is not served; `heirs`: see `implied`.

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


class Memory:
    """Groups and drawings of the latest plan. What is asked for between `begin` and the next one is kept, the rest forgotten."""

    def __init__(self) -> None:
        self._before: dict[tuple[Key, Key], RouteGroup] = {}
        self._now: dict[tuple[Key, Key], RouteGroup] = {}
        self._drawn_before: Drawn = {}
        self._drawn: Drawn = {}
        self._hosts: dict[Any, list[JSON]] = {}

    def begin(self) -> None:
        """Another plan is made."""
        self._before, self._now = self._now, {}
        self._drawn_before, self._drawn = self._drawn, {}
        self._hosts = {}

    def group(self, route: Object, snapshot: Snapshot, endpoints: Endpoints, hosting: Hosting) -> RouteGroup:
        """An HTTPRoute on a gateway, made anew where its spec, its backends or the gateway's hosting are others than in the plan before."""
        name = (hosting.gateway, key(route))
        known = self._before.get(name)
        if (
            known is None
            or not is_made_from(known, route, hosting)
            or followed(route, known, snapshot, endpoints) != known.backends
        ):
            known = route_group(route, snapshot, endpoints, hosting)
        self._now[name] = known
        return known

    def hosts(self, attached: Mapping[str, Mapping[Key, RouteGroup]], hosting: Hosting) -> list[JSON]:
        """The virtual hosts of a listener with these groups at its hostnames; listeners that have the same share them."""
        same = (hosting.gateway, tuple((host, tuple(groups)) for host, groups in attached.items()))
        if same not in self._hosts:
            by_host = {
                host: [item for group in groups.values() for item in group.routes] for host, groups in attached.items()
            }
            known: dict[int, int] = {}
            for groups in attached.values():
                for group in groups.values():
                    known.update(group.heirs)
            self._hosts[same] = virtual_hosts(by_host, hosting, known, self.drawn)
        return self._hosts[same]

    def drawn(self, item: PlannedRoute, hosting: Hosting) -> JSON:
        """Envoy's route for one planned route."""
        if id(item) not in self._drawn:
            known = self._drawn_before.get(id(item))
            self._drawn[id(item)] = known if known is not None else (item, rendered(item, hosting))
        return self._drawn[id(item)][1]


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
