"""Clusters: one per Service port, with its endpoints.

The endpoints are part of the cluster, not files of their own: Envoy opens one inotify instance per watched file, and a user has 128.
"""

from dataclasses import dataclass
from pathlib import Path

from harness.simulator.gateway.envoy_config.outside import Outside, http_filters, resolver, tls
from harness.simulator.gateway.envoy_config.typed import HTTP_OPTIONS, JSON, UNLIMITED, socket_address, typed


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A Service port as an upstream. `outside` is set for a provider's host; `by_name`: its endpoint is a name that Envoy resolves."""

    name: str
    endpoints: tuple[tuple[str, int], ...]
    tls: bool = False
    outside: Outside | None = None
    by_name: bool = False


def assignment(config: ClusterConfig) -> JSON:
    """The endpoints."""
    endpoints = [{"endpoint": {"address": socket_address(host, port)}} for host, port in config.endpoints]
    return {"cluster_name": config.name, "endpoints": [{"lb_endpoints": endpoints}]}


def cluster(config: ClusterConfig, credentials: Path) -> JSON:
    """The cluster; `credentials` is the folder of providers' keys. Retries happen only where no connection was made."""
    options = typed(
        HTTP_OPTIONS,
        explicit_http_config={"http_protocol_options": {}},
        common_http_protocol_options={"idle_timeout": "60s"},
    )
    body: JSON = {
        "name": config.name,
        "type": "STATIC",
        "load_assignment": assignment(config),
        "connect_timeout": "2s",
        "circuit_breakers": UNLIMITED,
        "per_connection_buffer_limit_bytes": 1_048_576,
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
    }
    if config.outside is not None:
        options["http_filters"] = http_filters(config.outside, credentials)
    if config.by_name:
        body |= {"type": "LOGICAL_DNS", "dns_lookup_family": "V4_PREFERRED", "typed_dns_resolver_config": resolver()}
    if config.tls:
        unverified = typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", common_tls_context={})
        context = tls(config.outside) if config.outside is not None else unverified
        body["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return body
