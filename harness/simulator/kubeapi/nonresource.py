"""Paths that are no resources: health, version, discovery and OpenAPI."""

from typing import Any

import orjson

from harness.simulator.exposition import CONTENT_TYPE
from harness.simulator.kubeapi import discovery
from harness.simulator.kubeapi.asgi import Request, Response, json_response
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.status import UnknownPathError, method_not_allowed, no_such_path

PATHS = (
    "/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version",
)  # fmt: skip
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def is_open(path: str) -> bool:
    """Whether a path is answered without a credential, as a cluster's public role allows."""
    return path in {"/healthz", "/livez", "/readyz", "/version", "/version/"} or path.startswith(
        ("/livez/", "/readyz/", "/healthz/")
    )


def answer_open(path: str) -> Response:
    """Health or version."""
    if path.startswith("/version"):
        return json_response(200, discovery.VERSION)
    return Response(200, b"ok", "text/plain; charset=utf-8")


def answer(cluster: Cluster, request: Request, address: str) -> Response:
    """Discovery and OpenAPI. Raises ApiError 404 or 405."""
    if request.method not in {"GET", "HEAD"}:
        raise method_not_allowed()
    if request.path == "/metrics":
        return Response(200, cluster.tally.text().encode(), CONTENT_TYPE)
    accept = request.headers.get("accept", "")
    parts = [part for part in request.path.split("/") if part]
    registry = cluster.registry
    found: dict[str, Any] | None = None
    match parts:
        case ["api"] | ["apis"] if "as=APIGroupDiscoveryList" in accept and "v=v2" in accept:
            return Response(200, orjson.dumps(discovery.aggregated(registry, core=parts == ["api"])), _AGGREGATED)
        case ["api"]:
            found = discovery.core_versions(address)
        case ["apis"]:
            found = discovery.group_list(registry)
        case ["api", version]:
            found = discovery.resource_list(registry, "", version)
        case ["apis", group]:
            found = discovery.group_of(registry, group)
        case ["apis", group, version]:
            found = discovery.resource_list(registry, group, version)
        case ["openapi", *rest]:
            from harness.simulator.kubeapi import openapi

            return openapi.answer(cluster, rest, request)
        case []:
            found = {"paths": list(PATHS)}
    if found is None:
        raise no_such_path() if parts[:1] == ["api"] else UnknownPathError()
    return json_response(200, found)
