"""The verbs on resources and their status."""

from typing import Any

from harness.simulator.kubeapi import applying, deletion, reads, reviews, writes
from harness.simulator.kubeapi.asgi import Response, json_response
from harness.simulator.kubeapi.bodies import decode_body, media_type, parse_json
from harness.simulator.kubeapi.cluster import State
from harness.simulator.kubeapi.exchange import Exchange
from harness.simulator.kubeapi.patches import (
    APPLY_YAML,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    json_patch,
    merge_patch,
    strategic_patch,
)
from harness.simulator.kubeapi.requests import Write, decode
from harness.simulator.kubeapi.status import (
    ApiError,
    Cause,
    bad_request,
    invalid,
    method_not_allowed,
    not_found,
    unsupported_media_type,
)
from harness.simulator.kubeapi.watches import Watch, WatchOptions

Json = dict[str, Any]


async def perform(exchange: Exchange) -> Response:
    """Answer a request on an object or a collection."""
    target = exchange.target
    match exchange.verb:
        case "get":
            return await get(exchange)
        case "list" | "watch":
            return await _collection(exchange)
        case "create" if not target.name:
            return await exchange.answer(
                201, await writes.create(exchange.cluster, await exchange.body(), exchange.write())
            )
        case "update" | "patch" if target.name:
            return await change(exchange)
        case "delete":
            return await _delete(exchange)
        case "deletecollection":
            return await _delete_many(exchange)
    if exchange.verb in {"update", "patch"} and exchange.resource.custom:
        raise bad_request("name must be provided")
    raise method_not_allowed()


async def review(exchange: Exchange) -> Response:
    """Answer a kind that can only be created and is never stored."""
    if exchange.verb != "create" or exchange.target.name:
        raise method_not_allowed()
    write = Write(exchange.resource, exchange.target.namespace, warnings=exchange.request.warnings)
    value = decode(await exchange.body(), write)
    return json_response(
        201, reviews.answer(exchange.cluster, exchange.resource, value, exchange.user, exchange.target.namespace)
    )


async def get(exchange: Exchange) -> Response:
    """One object. Raises ApiError 404."""
    resource, target = exchange.resource, exchange.target
    entry = exchange.cluster.store.get(resource.bucket, target.namespace, target.name)
    if entry is None:
        raise not_found(resource.plural, resource.group, target.name)
    return await exchange.answer(200, entry)


async def _collection(exchange: Exchange) -> Response:
    request, resource, target = exchange.request, exchange.resource, exchange.target
    query = request.query
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    selection = reads.select(resource, target.namespace, labels, fields, target.name)
    render = reads.renderer(exchange.cluster, resource)
    if exchange.verb == "watch":
        options = WatchOptions(
            revision=query.get("resourceVersion", ""),
            seconds=float(_number(query.get("timeoutSeconds", ""), "timeoutSeconds") or 1800),
            bookmarks=request.flag("allowWatchBookmarks"),
            initial_events=request.flag("sendInitialEvents"),
        )
        reads.parse_revision(options.revision)
        events = Watch(exchange.cluster, resource, selection, options, render).events()
        return Response(200, stream=exchange.reshaped(events) if exchange.form else events)
    wanted = reads.Wanted(
        limit=_number(query.get("limit", ""), "limit"),
        ticket=query.get("continue", ""),
        revision=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),
    )
    page = reads.read_page(exchange.cluster, resource, selection, wanted)
    return exchange.listed(await reads.list_body(page, resource, render))


async def change(exchange: Exchange) -> Response:
    """PUT or PATCH of an object or its status."""
    write = exchange.write()
    if exchange.verb == "update":
        code, state = await writes.replace(exchange.cluster, await exchange.body(), write)
    else:
        code, state = await _patch(exchange, write)
    return await exchange.answer(code, state)


async def _patch(exchange: Exchange, write: Write) -> tuple[int, State]:
    cluster, resource, request = exchange.cluster, exchange.resource, exchange.request
    kind = media_type(request.headers.get("content-type", ""))
    raw = await request.body()
    if kind == APPLY_YAML:
        if not request.query.get("fieldManager"):
            cause = Cause("FieldValueRequired", "fieldManager", "Required value: is required for apply patch")
            raise invalid("PatchOptions", "meta.k8s.io", "", [cause])
        return await applying.apply(cluster, decode_body(raw, "application/yaml"), write)
    accepted = [JSON_PATCH, MERGE_PATCH, *([] if resource.custom else [STRATEGIC_PATCH]), APPLY_YAML]
    if kind not in accepted:
        raise unsupported_media_type(kind, accepted)
    patch = parse_json(raw)
    if kind == JSON_PATCH:
        return await writes.patch(cluster, write, lambda value: json_patch(value, patch))
    if not isinstance(patch, dict):
        raise bad_request("the patch must be one JSON object")
    if kind == MERGE_PATCH:
        return await writes.patch(cluster, write, lambda value: dict(merge_patch(value, patch)))
    schema = resource.schema()
    return await writes.patch(cluster, write, lambda value: dict(strategic_patch(value, patch, schema)))


async def _options(exchange: Exchange) -> Json:
    request = exchange.request
    raw = await request.body()
    options = decode_body(raw, request.headers.get("content-type", "")) if raw.strip() else {}
    if not isinstance(options, dict):
        raise bad_request("the body of a delete must be DeleteOptions")
    for name in ("propagationPolicy", "gracePeriodSeconds"):
        if name in request.query:
            options.setdefault(name, request.query[name])
    if request.flag("orphanDependents"):
        options.setdefault("orphanDependents", True)
    if options.get("dryRun"):
        request.query["dryRun"] = "All"
    if not isinstance(options.get("preconditions") or {}, dict):
        raise bad_request("DeleteOptions.preconditions must be an object")
    return options


async def _delete(exchange: Exchange) -> Response:
    options = await _options(exchange)
    code, state = await deletion.delete(exchange.cluster, exchange.write(), options)
    return await exchange.answer(code, state)


async def _delete_many(exchange: Exchange) -> Response:
    options = await _options(exchange)
    resource, query = exchange.resource, exchange.request.query
    selection = reads.select(
        resource, exchange.target.namespace, query.get("labelSelector", ""), query.get("fieldSelector", "")
    )
    page = reads.read_page(exchange.cluster, resource, selection, reads.Wanted())
    for entry in page.entries:
        try:
            await deletion.delete(exchange.cluster, exchange.on(entry.name, entry.namespace).write(), options)
        except ApiError as error:
            if error.code != 404:
                raise
    return exchange.listed(await reads.list_body(page, resource, reads.renderer(exchange.cluster, resource)))


def _number(text: str, name: str) -> int:
    if not text:
        return 0
    if not text.removeprefix("-").isdecimal() or len(text) > 18:
        raise bad_request(f'{name}: Invalid value: "{text}": strconv.ParseInt: parsing "{text}": invalid syntax')
    return max(int(text), 0)
