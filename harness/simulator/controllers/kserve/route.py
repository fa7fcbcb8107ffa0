"""The managed HTTPRoute of a model: by path `/{namespace}/{name}`, by publisher path, and by the model-name header."""

from dataclasses import dataclass
from typing import Any

from harness.simulator.controllers.kserve.names import (
    HEADER,
    PORT,
    published_name,
    route_labels,
    route_name,
    workload_service_name,
)
from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.manifest import Manifest, generation, owner_reference, spec, status

GROUP = "gateway.networking.k8s.io"
SERVED = "maas-conformance.dev/Served"
"""The reference gateway's word that its proxy has endpoints for a route; other gateways do not say."""
ENDPOINTS = ("completions", "chat-completions", "responses", "messages")


@dataclass(frozen=True, slots=True)
class GatewayRef:
    """A Gateway that a route attaches to; `section` names one listener, empty for all."""

    namespace: str
    name: str
    section: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def gateway_refs(service: Manifest, default: GatewayRef) -> list[GatewayRef]:
    """The gateways of the model: those it names, else the standard one."""
    named = ((spec(service).get("router") or {}).get("gateway") or {}).get("refs") or ()
    own = service["metadata"]["namespace"]
    refs = [GatewayRef(ref.get("namespace") or own, ref["name"], ref.get("sectionName") or "") for ref in named]
    return list(dict.fromkeys(refs)) or [default]


def has_managed_route(service: Manifest) -> bool:
    """Whether `router.route` asks for a route and names none of the user's own."""
    route = (spec(service).get("router") or {}).get("route")
    return route is not None and not ((route.get("http") or {}).get("refs"))


def http_route(service: Manifest, gateways: list[GatewayRef]) -> Manifest:
    """The route object; a user's `router.route.http.spec` replaces the preset's rules."""
    custom = ((spec(service).get("router") or {}).get("route", {}).get("http") or {}).get("spec") or {}
    body: dict[str, Any] = {"parentRefs": [parent_ref(gateway) for gateway in gateways], "rules": rules(service)}
    body |= {name: value for name, value in custom.items() if name != "parentRefs"}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": route_name(service),
            "namespace": service["metadata"]["namespace"],
            "labels": route_labels(service),
            "ownerReferences": [owner_reference(service)],
        },
        "spec": body,
    }


def parent_ref(gateway: GatewayRef) -> dict[str, Any]:
    """A route's reference to a gateway."""
    reference = {"group": GROUP, "kind": "Gateway", "name": gateway.name, "namespace": gateway.namespace}
    return reference | ({"sectionName": gateway.section} if gateway.section else {})


def rules(service: Manifest) -> list[dict[str, Any]]:
    """The preset's twelve rules in their order, all with the model's Service behind them."""
    path = f"/{service['metadata']['namespace']}/{service['metadata']['name']}"
    publisher = f"/{published_name(service)}"
    backend = {"group": "", "kind": "Service", "name": workload_service_name(service), "port": PORT, "weight": 1}
    header = {"type": "Exact", "name": HEADER, "value": published_name(service)}
    exact = [
        {"path": {"type": "Exact", "value": value}, "headers": [header]}
        for endpoint in ENDPOINTS
        for value in (api_path(endpoint), f"{api_path(endpoint)}/")
    ]
    by_path = [prefixed(f"v1-{endpoint}-path", path, api_path(endpoint)) for endpoint in ENDPOINTS]
    by_publisher = [prefixed(f"v1-{endpoint}-publisher-path", publisher, api_path(endpoint)) for endpoint in ENDPOINTS]
    listed: list[dict[str, Any]] = [
        *by_path,
        {"name": "v1-model-routing", "matches": exact},
        *by_publisher,
        prefixed("v1-publisher-path-catch-all", publisher, ""),
        prefixed("v1-catch-all-path", path, ""),
        {
            "name": "v1-catch-all-model-routing",
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}, "headers": [header]}],
        },
    ]
    timeouts = {"request": "0s", "backendRequest": "0s"}
    return [rule | {"backendRefs": [backend], "timeouts": timeouts} for rule in listed]


def api_path(endpoint: str) -> str:
    """The OpenAI or Anthropic path of an endpoint's name in a rule."""
    return "/v1/" + endpoint.replace("-", "/")


def prefixed(name: str, base: str, path: str) -> dict[str, Any]:
    """A rule that serves `base`+`path` as `path` (as `/` for the base itself)."""
    return {
        "name": name,
        "matches": [{"path": {"type": "PathPrefix", "value": base + path}}],
        "filters": [
            {
                "type": "URLRewrite",
                "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": path or "/"}},
            }
        ],
    }


def not_ready(route: Manifest) -> str:
    """Why a route is not in force yet, one sentence; empty when every parent accepted this generation and its backends."""
    parents = status(route).get("parents") or ()
    for parent in spec(route).get("parentRefs") or ():
        entry = next((one for one in parents if same_parent(one.get("parentRef") or {}, parent, route)), None)
        where = f"{parent.get('namespace') or route['metadata']['namespace']}/{parent['name']}"
        if entry is None or find(entry.get("conditions"), "Accepted") is None:
            return f"Gateway {where} has not accepted the route yet"
        for kind in ("Accepted", "ResolvedRefs"):
            condition = find(entry.get("conditions"), kind)
            if condition is None or condition.get("status") != "True":
                reason = (condition or {}).get("reason", "missing")
                return f"Gateway {where}: {kind} is not True ({reason})"
            if int(condition.get("observedGeneration") or generation(route)) < generation(route):
                return f"Gateway {where} has not seen the latest route yet"
    return ""


def unserved(route: Manifest) -> str:
    """Why a gateway would answer 503 for an accepted route, one sentence; empty where gateways say nothing about it."""
    for entry in status(route).get("parents") or ():
        condition = find(entry.get("conditions"), SERVED)
        if condition is not None and condition.get("status") != "True":
            parent = entry.get("parentRef") or {}
            return f"Gateway {parent.get('namespace')}/{parent.get('name')} serves no endpoint of the route yet ({condition.get('reason')})"
    return ""


def same_parent(one: dict[str, Any], other: dict[str, Any], route: Manifest) -> bool:
    """Whether two parent references mean the same gateway and listener."""
    own = route["metadata"]["namespace"]

    def normal(reference: dict[str, Any]) -> tuple[object, ...]:
        return (
            reference.get("group") or GROUP,
            reference.get("kind") or "Gateway",
            reference.get("namespace") or own,
            reference.get("name"),
            reference.get("sectionName"),
            reference.get("port"),
        )

    return normal(one) == normal(other)
