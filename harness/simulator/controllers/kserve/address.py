"""Where a model can be reached: URLs from its route and its gateways' listeners and addresses."""

import ipaddress
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from harness.simulator.controllers.kserve.names import model_name, published_name
from harness.simulator.controllers.kserve.route import GROUP, GatewayRef
from harness.simulator.controllers.runtime.manifest import Manifest, annotations, spec, status

LISTENER_URLS = "maas-conformance.dev/listener-urls"
_DEFAULT_PORTS = {("http", 80), ("https", 443)}
_LOCAL_SUFFIXES = (".local", ".localhost", ".internal")


@dataclass(frozen=True, slots=True)
class Address:
    """One entry of `status.addresses`."""

    name: str
    url: str
    models: tuple[str, ...]
    gateway: GatewayRef

    def written(self) -> dict[str, Any]:
        """The entry as it goes into the status."""
        origin = {"group": GROUP, "kind": "Gateway", "name": self.gateway.name, "namespace": self.gateway.namespace}
        return {
            "name": self.name,
            "url": self.url,
            "origin": origin,
            "models": [{"name": name} for name in self.models],
        }


def addresses(service: Manifest, gateways: list[tuple[GatewayRef, Manifest]]) -> list[Address]:
    """Every address of a routed model, in URL order."""
    own = f"/{service['metadata']['namespace']}/{service['metadata']['name']}"
    names = (published_name(service), model_name(service))
    found: dict[str, Address] = {}
    for reference, gateway in gateways:
        for base in base_urls(gateway, reference.section):
            for path in ("/", own, f"/{published_name(service)}"):
                url = base + path
                models = names[:1] if path == "/" else names
                found[url] = Address(address_name(url), url, models, reference)
    return [found[url] for url in sorted(found)]


def preferred_url(service: Manifest, known: list[Address]) -> str | None:
    """`status.url`: the first external path-style address, else the first external one, else the first."""
    own = f"/{service['metadata']['namespace']}/{service['metadata']['name']}"
    external = [address for address in known if address.name.startswith("gateway-external")] or known
    styled = [address for address in external if urlsplit(address.url).path.startswith(own)]
    chosen = (styled or external)[:1]
    return chosen[0].url if chosen else None


def base_urls(gateway: Manifest, section: str) -> list[str]:
    """Base URLs of a gateway without a trailing slash; none before it has an address.

    A gateway that is not on the well-known ports (one on a laptop) says in an annotation, JSON `{listener: URL}`, where its
    listeners can really be reached; that goes before what hostname and port of the listener suggest.
    """
    hosts = [str(entry.get("value")) for entry in status(gateway).get("addresses") or ()]
    if not hosts:
        return []
    announced = announced_urls(gateway)
    urls: list[str] = []
    for listener in spec(gateway).get("listeners") or ():
        if section and listener.get("name") != section:
            continue
        if listener.get("protocol") not in ("HTTP", "HTTPS", "TLS"):
            continue
        if announced:
            urls += [announced[listener["name"]]] if listener["name"] in announced else []
        else:
            urls += listener_urls(listener, hosts)
    return urls


def announced_urls(gateway: Manifest) -> dict[str, str]:
    """The listener URLs that a gateway announces about itself; a malformed announcement counts as none."""
    try:
        read = json.loads(annotations(gateway).get(LISTENER_URLS) or "{}")
    except ValueError:
        return {}
    return {str(name): str(url).rstrip("/") for name, url in read.items()} if isinstance(read, dict) else {}


def listener_urls(listener: dict[str, Any], hosts: list[str]) -> list[str]:
    """URLs of one listener by its hostname, else by the gateway's addresses."""
    scheme = "http" if listener.get("protocol") == "HTTP" else "https"
    port = int(listener.get("port") or 0)
    hostname = str(listener.get("hostname") or "")
    if hostname.startswith("*."):
        hostname = f"inference{hostname[1:]}"
    suffix = "" if (scheme, port) in _DEFAULT_PORTS else f":{port}"
    return [f"{scheme}://{_bracketed(host)}{suffix}" for host in ([hostname] if hostname else hosts)]


def address_name(url: str) -> str:
    """The name KServe gives an address by its host and path."""
    host = (urlsplit(url).hostname or "").lower()
    suffix = "-model-routing" if urlsplit(url).path in ("", "/") else ""
    if host.endswith(".svc") or ".svc." in host:
        return f"gateway-internal{suffix}"
    if host == "localhost" or host.endswith(_LOCAL_SUFFIXES) or _is_private(host):
        return f"internal{suffix}"
    return f"gateway-external{suffix}"


def _is_private(host: str) -> bool:
    """RFC 1918 and unique local addresses; loopback counts as external, as in KServe."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_loopback and not address.is_link_local


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
