"""Gateway API and core objects as typed, immutable values: the part of them that the gateway uses."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

URLS_ANNOTATION = "maas-conformance.dev/listener-urls"
Object = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name."""


def key(thing: Object) -> Key:
    """Namespace and name of an object."""
    metadata = thing["metadata"]
    return str(metadata.get("namespace", "")), str(metadata["name"])


def text(item: Key) -> str:
    """`NAMESPACE/NAME`."""
    return "/".join(item)


def generation(thing: Object) -> int:
    """metadata.generation, 0 where the server keeps none."""
    return int(thing["metadata"].get("generation") or 0)


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener of a Gateway."""

    name: str
    port: int
    protocol: str
    hostname: str
    certificates: tuple[Key, ...]
    allowed_from: str
    selector: tuple[tuple[str, str], ...]
    expressions: tuple[Any, ...]


def listeners(gateway: Object) -> tuple[Listener, ...]:
    """The listeners of a Gateway, in order."""
    namespace = key(gateway)[0]
    return tuple(listener(namespace, item) for item in gateway.get("spec", {}).get("listeners", ()))


def listener(namespace: str, item: Object) -> Listener:
    """One listener, defaults filled in."""
    references = (item.get("tls") or {}).get("certificateRefs") or ()
    spaces = (item.get("allowedRoutes") or {}).get("namespaces") or {}
    selector = spaces.get("selector") or {}
    return Listener(
        name=str(item["name"]),
        port=int(item["port"]),
        protocol=str(item["protocol"]),
        hostname=str(item.get("hostname") or "").lower(),
        certificates=tuple((str(ref.get("namespace") or namespace), str(ref["name"])) for ref in references),
        allowed_from=str(spaces.get("from") or "Same"),
        selector=tuple(sorted((selector.get("matchLabels") or {}).items())),
        expressions=tuple(selector.get("matchExpressions") or ()),
    )


def announced_ports(gateway: Object) -> dict[str, int]:
    """Ports by listener, as the Gateway's annotation has them; nothing where it has none, or none that can be read."""
    try:
        urls = json.loads((gateway["metadata"].get("annotations") or {}).get(URLS_ANNOTATION) or "{}")
        return {str(name): urlsplit(str(url)).port or 0 for name, url in urls.items()}
    except (ValueError, AttributeError):
        return {}


@dataclass(frozen=True, slots=True)
class ParentRef:
    """What a route wants to attach to. `raw` is the reference as written, for status."""

    gateway: Key
    section: str
    port: int | None
    raw: Object


def parent_refs(route: Object) -> tuple[ParentRef, ...]:
    """The Gateways a route refers to; references to other kinds are left out."""
    namespace = key(route)[0]
    found = []
    for ref in route.get("spec", {}).get("parentRefs") or ():
        if (
            ref.get("kind", "Gateway") == "Gateway"
            and ref.get("group", "gateway.networking.k8s.io") == "gateway.networking.k8s.io"
        ):
            target = (str(ref.get("namespace") or namespace), str(ref["name"]))
            found.append(ParentRef(target, str(ref.get("sectionName") or ""), ref.get("port"), ref))
    return tuple(found)


def selects(labels: Mapping[str, str], wanted: Iterable[tuple[str, str]], expressions: Iterable[Object]) -> bool:
    """Whether a label selector matches."""
    if any(labels.get(name) != value for name, value in wanted):
        return False
    return all(expression_holds(labels, item) for item in expressions)


def expression_holds(labels: Mapping[str, str], item: Object) -> bool:
    """One requirement of a label selector."""
    name, operator, values = str(item["key"]), item["operator"], item.get("values") or ()
    if operator == "In":
        return labels.get(name) in values
    if operator == "NotIn":
        return labels.get(name) not in values
    return bool((name in labels) == (operator == "Exists"))


def hostnames_meet(listener_hostname: str, route_hostname: str) -> str | None:
    """The hostname both agree on: the more specific one; None where they exclude each other. Empty means any."""
    if not listener_hostname or listener_hostname == route_hostname:
        return route_hostname
    if not route_hostname:
        return listener_hostname
    if listener_hostname.startswith("*.") and route_hostname.endswith(listener_hostname[1:]):
        return route_hostname
    if route_hostname.startswith("*.") and listener_hostname.endswith(route_hostname[1:]):
        return listener_hostname
    return None
