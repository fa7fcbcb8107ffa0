"""The scale subresource."""

from typing import Any

from harness.simulator.kubeapi import writes
from harness.simulator.kubeapi.asgi import Response, json_response
from harness.simulator.kubeapi.bodies import media_type
from harness.simulator.kubeapi.exchange import Exchange
from harness.simulator.kubeapi.patches import JSON_PATCH, json_patch, merge_patch
from harness.simulator.kubeapi.requests import Write, live, main_write
from harness.simulator.kubeapi.selectors import field_text
from harness.simulator.kubeapi.status import bad_request, invalid, method_not_allowed
from harness.simulator.kubeapi.validation import invalid_value

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
        selector = ",".join(
            f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or selector).items()) if isinstance(v, str)
        )
    if selector:
        status["selector"] = selector
    spec: Json = {}
    replicas = _lookup(value, scale.spec_replicas)
    if replicas:
        spec["replicas"] = replicas
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": kept, "spec": spec, "status": status}


def _replicas(wanted: Any) -> int:
    spec = wanted.get("spec") if isinstance(wanted, dict) else None
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else None
    if not isinstance(replicas, int) or isinstance(replicas, bool) or abs(replicas) >= 2**31:
        raise bad_request("the body of the request must be one Scale whose spec.replicas is a whole number")
    if replicas < 0:
        wrong = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", str((wanted.get("metadata") or {}).get("name", "")), [wrong])
    return replicas


async def answer(exchange: Exchange) -> Response:
    """GET, PUT or PATCH of a scale."""
    write, verb, cluster = exchange.write(), exchange.verb, exchange.cluster
    if verb not in {"get", "update", "patch"}:
        raise method_not_allowed()
    current = await cluster.from_storage(live(cluster, write).decode(), write.resource)
    if verb == "get":
        return json_response(200, scale_of(current, write))
    body = await exchange.body()
    wanted: Any = scale_of(current, write)
    if verb == "update":
        wanted = body
    elif media_type(exchange.request.headers.get("content-type", "")) == JSON_PATCH:
        wanted = json_patch(wanted, body)
    else:
        wanted = merge_patch(wanted, body)
    replicas = _replicas(wanted)
    scale = write.resource.scale
    assert scale is not None
    main = main_write(write)
    asked = field_text(wanted, "metadata.resourceVersion")

    def change(value: Json) -> Json:
        if verb == "update" and asked:
            value["metadata"]["resourceVersion"] = asked
        return _put(value, scale.spec_replicas, replicas)

    code, state = await writes.patch(cluster, main, change)
    return json_response(code, scale_of(await cluster.shown(state, write.resource), write))
