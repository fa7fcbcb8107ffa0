"""The scale subresource."""

from typing import TYPE_CHECKING, Any

from harness.simulator.kubeapi import writes
from harness.simulator.kubeapi.asgi import Request, Response, json_response
from harness.simulator.kubeapi.bodies import media_type
from harness.simulator.kubeapi.patches import JSON_PATCH, json_patch, merge_patch
from harness.simulator.kubeapi.selectors import field_text
from harness.simulator.kubeapi.status import bad_request, method_not_allowed
from harness.simulator.kubeapi.writes import Write

if TYPE_CHECKING:
    from harness.simulator.kubeapi.router import Router

Json = dict[str, Any]


def _lookup(value: Any, path: str) -> Any:
    for name in path.strip(".").split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _put(value: Json, path: str, number: int) -> Json:
    *parents, last = path.strip(".").split(".")
    target = value
    for name in parents:
        target = target.setdefault(name, {})
    target[last] = number
    return value


def scale_of(value: Json, write: Write) -> Json:
    """An object as `autoscaling/v1` Scale."""
    scale = write.resource.scale
    assert scale is not None
    meta = value["metadata"]
    kept = {k: meta[k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp") if k in meta}
    status: Json = {"replicas": _lookup(value, scale.status_replicas) or 0}
    selector = _lookup(value, scale.selector) if scale.selector else None
    if isinstance(selector, dict):
        selector = ",".join(f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or selector).items()) if isinstance(v, str))
    if selector:
        status["selector"] = selector
    spec: Json = {}
    replicas = _lookup(value, scale.spec_replicas)
    if replicas:
        spec["replicas"] = replicas
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": kept, "spec": spec, "status": status}


async def answer(router: "Router", request: Request, write: Write, verb: str) -> Response:
    """GET, PUT or PATCH of a scale."""
    cluster = router.cluster
    current = cluster.from_storage(writes.live(cluster, write).decode(), write.resource)
    if verb == "get":
        return json_response(200, scale_of(current, write))
    if verb not in {"update", "patch"}:
        raise method_not_allowed()
    body = await router.body_of(request)
    wanted = scale_of(current, write)
    if verb == "update":
        wanted = body
    elif media_type(request.headers.get("content-type", "")) == JSON_PATCH:
        wanted = json_patch(wanted, body)
    else:
        wanted = merge_patch(wanted, body)
    if not isinstance(wanted, dict):
        raise bad_request("the body of the request must be one Scale")
    replicas = int(field_text(wanted, "spec.replicas") or 0) if (field_text(wanted, "spec.replicas") or "0").isdecimal() else -1
    if replicas < 0:
        raise bad_request("Scale.spec.replicas must be a whole number that is not negative")
    scale = write.resource.scale
    assert scale is not None
    main = writes.main_write(write)
    asked = field_text(wanted, "metadata.resourceVersion")

    def change(value: Json) -> Json:
        if verb == "update" and asked:
            value["metadata"]["resourceVersion"] = asked
        return _put(value, scale.spec_replicas, replicas)

    code, value = await writes.patch(cluster, main, change)
    return json_response(code, scale_of(cluster.from_storage(value, write.resource), write))
