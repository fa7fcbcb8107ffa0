"""Where a MaaSModelRef leads: its route, its gateway, its endpoint, and whether the model behind it is ready."""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from harness.simulator.controllers.kserve.address import announced_urls
from harness.simulator.controllers.maas.external import external_backend_route
from harness.simulator.controllers.maas.view import View
from harness.simulator.controllers.runtime.condition import find, holds
from harness.simulator.controllers.runtime.kind import GATEWAY, HTTP_ROUTE, LLM_INFERENCE_SERVICE
from harness.simulator.controllers.runtime.manifest import Key, Manifest, key_of, spec, status

PREFERRED = ("gateway-external-model-routing", "gateway-external")


@dataclass(frozen=True, slots=True)
class Backend:
    """A model's backend as found. `phase` is set when the model cannot be offered, whatever else holds; `message` says why."""

    gateway: Key
    phase: Literal["", "Pending", "Failed"] = ""
    message: str = ""
    route: Manifest | None = None
    attached: bool = False
    ready: bool = False
    endpoint: str = ""
    alias: str = ""

    @property
    def route_key(self) -> Key | None:
        """The route's key, None without one."""
        return None if self.route is None else key_of(self.route)

    @property
    def hostnames(self) -> list[str]:
        """The route's own hostnames."""
        return list(spec(self.route).get("hostnames") or ()) if self.route is not None else []


def resolve(view: View, model: Manifest) -> Backend:
    """Follow a MaaSModelRef to its backend, by the rules of the backend's kind."""
    reference = spec(model).get("modelRef") or {}
    gateway = view.gateway_of_model(model)
    key = Key(model["metadata"]["namespace"], reference.get("name") or "")
    if reference.get("kind") == "ExternalModel":
        return _external(view, model, key, gateway)
    routes = view.cluster.store(HTTP_ROUTE).by("service", key)
    if not routes:
        return Backend(gateway, "Pending", "Waiting for HTTPRoute to be created")
    route = routes[0]
    if not references(route, gateway):
        return Backend(gateway, "Failed", elsewhere(route, gateway), route)
    service = view.cluster.store(LLM_INFERENCE_SERVICE).get(key)
    if service is None:
        return Backend(gateway, "Failed", f"LLMInferenceService {key} not found", route, attached=True)
    return Backend(
        gateway,
        route=route,
        attached=True,
        ready=holds(status(service).get("conditions"), "Ready"),
        endpoint=endpoint_of(service, route) or derived_endpoint(view, model, route, gateway),
        alias=alias_of(service),
    )


def _external(view: View, model: Manifest, key: Key, gateway: Key) -> Backend:
    found, name = external_backend_route(view, key)
    if not found:
        return Backend(gateway, "Failed", f"ExternalModel {key} not found")
    route = view.cluster.store(HTTP_ROUTE).get(Key(key.namespace, name)) if name else None
    if route is None:
        return Backend(gateway, "Pending", "Waiting for HTTPRoute to be created", alias=key.name)
    if not references(route, gateway):
        return Backend(gateway, "Failed", elsewhere(route, gateway), route, alias=key.name)
    return Backend(
        gateway,
        route=route,
        attached=True,
        ready=accepted(route, gateway),
        endpoint=announced_endpoint(view, route, gateway) or derived_endpoint(view, model, route, gateway, named=False),
        alias=key.name,
    )


def elsewhere(route: Manifest, gateway: Key) -> str:
    """The sentence for a route that leads to another gateway."""
    return f"HTTPRoute {key_of(route)} does not reference gateway {gateway}"


def references(route: Manifest, gateway: Key) -> bool:
    """Whether one of the route's parents is the gateway."""
    own = route["metadata"]["namespace"]
    parents = spec(route).get("parentRefs") or ()
    return any(Key(parent.get("namespace") or own, parent.get("name") or "") == gateway for parent in parents)


def accepted(route: Manifest, gateway: Key) -> bool:
    """Whether the gateway has accepted the route."""
    own = route["metadata"]["namespace"]
    for parent in status(route).get("parents") or ():
        reference = parent.get("parentRef") or {}
        if Key(reference.get("namespace") or own, reference.get("name") or "") == gateway:
            found = find(parent.get("conditions"), "Accepted")
            if found is not None and found.get("status") == "True":
                return True
    return False


def alias_of(service: Manifest) -> str:
    """The model's cluster-wide name, from the first address that carries one."""
    for address in status(service).get("addresses") or ():
        for model in address.get("models") or ():
            return str(model.get("name") or "")
    return ""


def endpoint_of(service: Manifest, route: Manifest) -> str:
    """The address that callers should use: the named external ones first, https before http; empty when there is none."""
    hostnames = [str(name).lower() for name in spec(route).get("hostnames") or ()]
    known = [entry for entry in status(service).get("addresses") or () if _fits(entry, hostnames)]
    for name in PREFERRED:
        urls = [str(entry["url"]) for entry in known if entry.get("name") == name]
        if urls:
            return _secure_first(urls)
    if hostnames:
        return ""
    bases = [str(entry["url"]) for entry in known if urlsplit(str(entry["url"])).path in ("", "/")]
    return str(_secure_first(bases) or status(service).get("url") or (known[0]["url"] if known else ""))


def announced_endpoint(view: View, route: Manifest, gateway: Key) -> str:
    """The base URL of a gateway whose ports are not those of its listeners, as it says itself; empty where it does not."""
    found = view.cluster.store(GATEWAY).get(gateway)
    if found is None or spec(route).get("hostnames"):
        return ""
    return _secure_first(list(announced_urls(found).values()))


def derived_endpoint(view: View, model: Manifest, route: Manifest, gateway: Key, *, named: bool = True) -> str:
    """A guess for backends that publish no address: the route's hostname, a listener's, or the gateway's address.

    Models get their own name behind it; external models (`named` false) are told apart by name in the body alone.
    """
    found = view.cluster.store(GATEWAY).get(gateway)
    listeners = spec(found).get("listeners") or () if found is not None else ()
    addresses = status(found).get("addresses") or () if found is not None else ()
    hosts = [*(spec(route).get("hostnames") or ()), *(one["hostname"] for one in listeners if one.get("hostname"))]
    hosts += [one.get("value") for one in sorted(addresses, key=lambda one: one.get("type") != "Hostname")]
    if not hosts:
        return ""
    path = f"/{model['metadata']['name']}" if named else ""
    return f"https://{hosts[0]}{path}"


def _fits(entry: dict[str, Any], hostnames: list[str]) -> bool:
    if not entry.get("url"):
        return False
    return not hostnames or (urlsplit(str(entry["url"])).hostname or "").lower() in hostnames


def _secure_first(urls: list[str]) -> str:
    return min(urls, key=lambda url: not url.startswith("https://")) if urls else ""
