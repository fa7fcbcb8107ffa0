"""Which route is served on which listener, and why not."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.simulator.gateway.plan.gatewayapi import (
    Key,
    Listener,
    Object,
    ParentRef,
    hostnames_meet,
    key,
    listeners,
    parent_refs,
    selects,
)
from harness.simulator.gateway.plan.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Attachment:
    """One parentRef of one route on one Gateway: the listeners that serve it, with the hostnames on each (empty string: any).

    `reason` is the reason of the Accepted condition; `Accepted` when at least one listener serves the route.
    """

    route: Key
    parent: ParentRef
    hostnames: tuple[tuple[str, tuple[str, ...]], ...]
    reason: str

    @property
    def accepted(self) -> bool:
        """Whether the route is served at all through this parent."""
        return self.reason == "Accepted"


def allows(gateway: Key, item: Listener, route: Object, snapshot: Snapshot) -> bool:
    """allowedRoutes of a listener."""
    namespace = key(route)[0]
    if item.allowed_from == "Same":
        return namespace == gateway[0]
    if item.allowed_from == "All":
        return True
    labels = {"kubernetes.io/metadata.name": namespace}
    labels |= snapshot.namespaces.get(("", namespace), {}).get("metadata", {}).get("labels") or {}
    return selects(labels, item.selector, item.expressions)


def attach(route: Object, parent: ParentRef, snapshot: Snapshot) -> Attachment:
    """Decide one parentRef whose Gateway exists."""
    gateway = snapshot.gateways[parent.gateway]
    named = [
        item
        for item in listeners(gateway)
        if (not parent.section or item.name == parent.section) and parent.port in (None, item.port)
    ]
    if not named:
        return Attachment(key(route), parent, (), "NoMatchingParent")
    allowed = [item for item in named if allows(parent.gateway, item, route, snapshot)]
    if not allowed:
        return Attachment(key(route), parent, (), "NotAllowedByListeners")
    wanted = [str(name).lower() for name in route.get("spec", {}).get("hostnames") or ()] or [""]
    served = []
    for item in allowed:
        met = tuple(found for name in wanted if (found := hostnames_meet(item.hostname, name)) is not None)
        if met:
            served.append((item.name, met))
    return Attachment(key(route), parent, tuple(served), "Accepted" if served else "NoMatchingListenerHostname")


def attachments(snapshot: Snapshot) -> Iterator[Attachment]:
    """Every parentRef of every route whose Gateway is known here."""
    for route in snapshot.routes.values():
        for parent in parent_refs(route):
            if parent.gateway in snapshot.gateways:
                yield attach(route, parent, snapshot)
