"""Handler of `/v1/tenants`: this instance's tenant and the address of its gateway."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from .errors import TenantError, json_response
from .identity import bearer
from .kubernetes import KubernetesError
from .service import Service

_ANNOUNCED = "maas-conformance.dev/listener-urls"
"""Where the gateway stand-in says that its listeners are reached, when that is not at the ports of the Gateway."""
_SECURE = frozenset({"HTTPS", "TLS"})
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where clients reach a gateway."""

    protocol: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Address":
        """The parts of a URL."""
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or _USUAL_PORTS[parts.scheme])

    @property
    def url(self) -> str:
        """The URL, with a port only where it is not the usual one."""
        return f"{self.protocol}://{self.host}" + ("" if _USUAL_PORTS[self.protocol] == self.port else f":{self.port}")


async def tenants(service: Service, request: Request) -> Response:
    """The one tenant. The caller shows a Kubernetes token; the gateway in front takes no part."""
    await _authenticate(service, bearer(request))
    settings = service.settings
    try:
        gateway = await service.kubernetes.gateway(settings.gateway_namespace, settings.gateway_name)
    except KubernetesError as error:
        raise _gateway_error(error, settings.gateway_namespace, settings.gateway_name) from error
    address = gateway_address(gateway)
    described = {
        "name": settings.gateway_name,
        "namespace": settings.gateway_namespace,
        "protocol": address.protocol,
        "externalUrl": address.url,
        "port": address.port,
    }
    return json_response({"tenants": [{"name": settings.tenant, "gateway": described}]})


async def _authenticate(service: Service, token: str) -> None:
    if not token.strip():
        raise TenantError(401, "Authentication required", "expected the header Authorization: Bearer TOKEN")
    try:
        valid = await service.kubernetes.authenticated(token)
    except KubernetesError as error:
        raise TenantError(401, "Authentication failed", "the token could not be reviewed") from error
    if not valid:
        raise TenantError(401, "Authentication failed", "the token is not valid for this cluster")


def _gateway_error(error: KubernetesError, namespace: str, name: str) -> TenantError:
    if error.code == 404:
        return TenantError(404, "Gateway not found", f"there is no Gateway {namespace}/{name}")
    if error.code == 403:
        return TenantError(403, "Access to Gateway forbidden", f"the Gateway {namespace}/{name} may not be read")
    if error.code == 504:
        return TenantError(504, "Gateway lookup timed out", f"no answer about the Gateway {namespace}/{name} in time")
    return TenantError(500, "Failed to fetch Gateway", f"the Gateway {namespace}/{name} could not be read")


def gateway_address(gateway: Mapping[str, Any]) -> Address:
    """The address of the best listener: one with routes, a secure one first; none: https on 443.

    Raises TenantError 500 when no name is known that works outside the cluster.
    """
    listeners = list((gateway.get("spec") or {}).get("listeners") or [])
    status = gateway.get("status") or {}
    attached = {entry.get("name"): entry.get("attachedRoutes", 0) for entry in status.get("listeners") or []}
    ready = [
        listener
        for listener in listeners
        if attached.get(listener["name"], 0) > 0 and listener["protocol"] in _SECURE | {"HTTP"}
    ]
    ready.sort(key=lambda listener: listener["protocol"] not in _SECURE)
    best = ready[0] if ready else {}
    announced = _announced(gateway).get(best.get("name", ""))
    if announced and not best.get("hostname"):
        return Address.of(announced)
    protocol = "http" if best.get("protocol") == "HTTP" else "https"
    host = best.get("hostname") or _first_address(status)
    if not host or host.endswith(".svc.cluster.local"):
        raise TenantError(500, "Failed to resolve gateway", "the Gateway has no address that works outside the cluster")
    return Address(protocol, host, best.get("port", 443))


def _announced(gateway: Mapping[str, Any]) -> Mapping[str, str]:
    text = (gateway.get("metadata", {}).get("annotations") or {}).get(_ANNOUNCED) or "{}"
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _first_address(status: Mapping[str, Any]) -> str:
    addresses = status.get("addresses") or []
    return str(addresses[0].get("value", "")) if addresses else ""
