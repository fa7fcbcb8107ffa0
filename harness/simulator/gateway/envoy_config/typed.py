"""Short names for Envoy's typed configuration."""

from typing import Any, Final

JSON = dict[str, Any]
REQUEST_ID: Final[JSON] = {
    "header": {"key": "x-request-id", "value": "%REQ(x-request-id)%"},
    "append_action": "ADD_IF_ABSENT",
}
"""Tells a client the id of its request, unless the backend has told it already."""
PREFIX = "type.googleapis.com/"


def typed(message: str, /, **fields: Any) -> JSON:
    """An Any: `@type` and the fields."""
    return {"@type": PREFIX + message, **fields}


def http_filter(name: str, message: str, **fields: Any) -> JSON:
    """One HTTP filter of a chain."""
    return {"name": name, "typed_config": typed(message, **fields)}


def resources(kind: str, items: list[JSON]) -> list[JSON]:
    """The resources of a discovery response."""
    return [typed(kind, **item) for item in items]


CLUSTER = "envoy.config.cluster.v3.Cluster"
LISTENER = "envoy.config.listener.v3.Listener"
ROUTES = "envoy.config.route.v3.RouteConfiguration"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
UNLIMITED = {"thresholds": [{"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000}]}


def socket_address(host: str, port: int) -> JSON:
    """An address as Envoy writes it."""
    return {"socket_address": {"address": host, "port_value": port}}
