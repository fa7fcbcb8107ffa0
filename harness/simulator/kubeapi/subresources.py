"""The subresources: status, scale, log, token, finalize, eviction."""

from harness.simulator.kubeapi import deletion, discovery, logs, reviews, scaling, verbs
from harness.simulator.kubeapi.asgi import Response, json_response
from harness.simulator.kubeapi.exchange import Exchange
from harness.simulator.kubeapi.requests import main_write
from harness.simulator.kubeapi.status import bad_request, method_not_allowed, no_such_path


async def perform(exchange: Exchange) -> Response:
    """Answer a request on a subresource. Raises ApiError 404 for one that the kind does not have, 405 for a verb."""
    name, verb = exchange.target.subresource, exchange.verb
    if name not in discovery.subresources(exchange.resource):
        raise no_such_path()
    match (name, verb):
        case ("status", "get"):
            return await verbs.get(exchange)
        case ("status", "update" | "patch") | ("finalize", "update"):
            return await verbs.change(exchange)
        case ("scale", _):
            return await scaling.answer(exchange)
        case ("log", "get"):
            return logs.answer(exchange)
        case ("token", "create"):
            return await _token(exchange)
        case ("eviction", "create"):
            return await _evict(exchange)
    raise method_not_allowed()


async def _token(exchange: Exchange) -> Response:
    body = await exchange.body()
    if not isinstance(body, dict):
        raise bad_request("the body of the request must be one TokenRequest")
    return json_response(
        201, reviews.issue_token(exchange.cluster, exchange.target.namespace, exchange.target.name, body)
    )


async def _evict(exchange: Exchange) -> Response:
    body = await exchange.body()
    options = body.get("deleteOptions") if isinstance(body, dict) else None
    await deletion.delete(exchange.cluster, main_write(exchange.write()), options if isinstance(options, dict) else {})
    return json_response(201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
