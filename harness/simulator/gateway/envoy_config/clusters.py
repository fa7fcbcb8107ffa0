"""Clusters: one per Service port, its endpoints in a file of their own, so that a pod that comes or goes touches nothing else."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.simulator.gateway.envoy_config.typed import HTTP_OPTIONS, JSON, UNLIMITED, socket_address, typed


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """A Service port as an upstream. `hostname` is set for a Service that is only a DNS name outside."""

    name: str
    endpoints: tuple[tuple[str, int], ...]
    tls: bool = False
    hostname: str = ""

    @property
    def file(self) -> str:
        """The name of its endpoints file."""
        return f"eds-{hashlib.sha256(self.name.encode()).hexdigest()[:16]}.json"


def assignment(config: ClusterConfig) -> JSON:
    """The endpoints."""
    endpoints = [{"endpoint": {"address": socket_address(host, port)}} for host, port in config.endpoints]
    return {"cluster_name": config.name, "endpoints": [{"lb_endpoints": endpoints}]}


def cluster(config: ClusterConfig, directory: Path) -> JSON:
    """The cluster. Retries happen only where a connection could not be made, so no request is served twice."""
    body: JSON = {
        "name": config.name,
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
    if config.hostname:
        body |= {"type": "LOGICAL_DNS", "load_assignment": assignment(config)}
    else:
        source = {"resource_api_version": "V3", "path_config_source": {"path": str(directory / config.file)}}
        body |= {"type": "EDS", "eds_cluster_config": {"eds_config": source}}
    if config.tls:
        tls = typed(
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", sni=config.hostname, common_tls_context={}
        )
        body["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": tls}
    return body
