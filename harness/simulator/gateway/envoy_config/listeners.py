"""Listeners: one per `--listen`, HTTP or HTTPS, with a JSON access log."""

from dataclasses import dataclass
from pathlib import Path

from harness.simulator.gateway.envoy_config.filters import (
    EXT_AUTHZ,
    REQUEST,
    USAGE,
    USUAL,
    Guarding,
    governed,
    standard,
)
from harness.simulator.gateway.envoy_config.typed import JSON, REQUEST_ID, socket_address, typed

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of a request body (413 above) and of a JSON response that the gateway reads usage from."""


ANY_STATUS: JSON = {
    "status_code_filter": {
        "comparison": {"op": "GE", "value": {"default_value": 100, "runtime_key": "maas.any_status"}}
    }
}


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """One listener as it should be. `certificate` names PEM files (chain, key) and makes it HTTPS."""

    name: str
    host: str
    port: int
    governed: bool
    certificate: tuple[Path, Path] | None
    guarding: Guarding = USUAL


def field(namespace: str, key: str) -> str:
    """An access-log operator for dynamic metadata."""
    return f"%DYNAMIC_METADATA({namespace}:{key})%"


def access_log(path: Path) -> JSON:
    """Who, what, how long, how many tokens; never a header that carries a credential."""
    fields = {
        "time": "%START_TIME%",
        "listener": "%FILTER_CHAIN_NAME%",
        "request_id": "%REQ(x-request-id)%",
        "method": "%REQ(:method)%",
        "path": "%PATH(NQ)%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "first_byte_ms": "%RESPONSE_DURATION%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "protocol": "%PROTOCOL%",
        "route": "%ROUTE_NAME%",
        "upstream": "%UPSTREAM_HOST%",
        "user": field(EXT_AUTHZ, "userid"),
        "subscription": field(EXT_AUTHZ, "selected_subscription_key"),
        "key_id": field(EXT_AUTHZ, "key_id"),
        "model": field(REQUEST, "model"),
        "tokens_total": field(USAGE, "total_tokens"),
        "tokens_prompt": field(USAGE, "prompt_tokens"),
        "tokens_completion": field(USAGE, "completion_tokens"),
    }
    log = typed(
        "envoy.extensions.access_loggers.file.v3.FileAccessLog", path=str(path), log_format={"json_format": fields}
    )
    return {"name": "envoy.access_loggers.file", "typed_config": log}


def connection_manager(config: ListenerConfig, routes: Path, log: Path) -> JSON:
    """Paths are normalised before anything matches, so what is authorized is what is routed."""
    request_id = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
    return typed(
        HCM,
        stat_prefix=config.name,
        codec_type="AUTO",
        rds={
            "route_config_name": config.name,
            "config_source": {"resource_api_version": "V3", "path_config_source": {"path": str(routes)}},
        },
        http_filters=governed(config.guarding) if config.governed else standard(),
        access_log=[access_log(log)],
        use_remote_address=True,
        generate_request_id=True,
        preserve_external_request_id=True,
        # not always_set_request_id_in_response: maas-api replaces improper ids, and its answer must keep the one that it chose
        local_reply_config={"mappers": [{"filter": ANY_STATUS, "headers_to_add": [REQUEST_ID]}]},
        request_id_extension={"typed_config": typed(request_id, pack_trace_reason=False)},
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="KEEP_UNCHANGED",
        request_headers_timeout="10s",
        stream_idle_timeout="300s",
        # who reads a stream whose backend broke off learns of it at once, not after Envoy's usual second
        delayed_close_timeout="0.1s",
        http2_protocol_options={"initial_stream_window_size": 1_048_576, "initial_connection_window_size": 16_777_216},
    )


def listener(config: ListenerConfig, routes: Path, log: Path) -> JSON:
    """One listener. The port stays reserved by the controller, so Envoy may come and go on it."""
    manager = connection_manager(config, routes, log)
    chain: JSON = {
        "name": config.name,
        "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}],
    }
    if config.certificate is not None:
        certificate, key = (str(path) for path in config.certificate)
        tls = typed(
            "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            common_tls_context={
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificates": [
                    {
                        "certificate_chain": {"filename": certificate},
                        "private_key": {"filename": key},
                        "watched_directory": {"path": str(config.certificate[0].parent)},
                    }
                ],
            },
        )
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": tls}
    return {
        "name": config.name,
        "address": socket_address(config.host, config.port),
        "enable_reuse_port": True,
        "per_connection_buffer_limit_bytes": BODY_LIMIT,
        "filter_chains": [chain],
    }
