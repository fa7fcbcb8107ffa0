"""Clusters: one per Service port, with its endpoints.

The endpoints are part of the cluster, not files of their own: Envoy opens one inotify instance per watched file, and a user has 128.
"""

from dataclasses import dataclass

from harness.simulator.gateway.envoy_config.typed import HTTP_OPTIONS, JSON, UNLIMITED, socket_address, typed


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A Service port as an upstream. `hostname` is set for a Service that is only a DNS name outside."""

    name: str
    endpoints: tuple[tuple[str, int], ...]
    tls: bool = False
    hostname: str = ""


def assignment(config: ClusterConfig) -> JSON:
    """The endpoints."""
    endpoints = [{"endpoint": {"address": socket_address(host, port)}} for host, port in config.endpoints]
    return {"cluster_name": config.name, "endpoints": [{"lb_endpoints": endpoints}]}


def cluster(config: ClusterConfig) -> JSON:
    """The cluster. Retries happen only where a connection could not be made, so no request is served twice."""
    body: JSON = {
        "name": config.name,
        "type": "LOGICAL_DNS" if config.hostname else "STATIC",
        "load_assignment": assignment(config),
        "connect_timeout": "2s",
        "circuit_breakers": UNLIMITED,
        "per_connection_buffer_limit_bytes": 1_048_576,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
                HTTP_OPTIONS,
                explicit_http_config={"http_protocol_options": {}},
                common_http_protocol_options={"idle_timeout": "60s"},
            )
        },
    }
    if config.tls:
        tls = typed(
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", sni=config.hostname, common_tls_context={}
        )
        body["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": tls}
    return body
