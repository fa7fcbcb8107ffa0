"""OpenAPI documents."""

from harness.simulator.kubeapi.asgi import Request, Response, json_response
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.status import no_such_path


def answer(cluster: Cluster, rest: list[str], request: Request) -> Response:
    """`/openapi/v2` and `/openapi/v3`."""
    del cluster, request
    if rest == ["v3"]:
        return json_response(200, {"paths": {}})
    raise no_such_path()
