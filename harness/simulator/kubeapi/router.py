"""From a request to an answer: authentication, authorization and the verbs on resources."""

from dataclasses import replace as with_changes
from typing import Any

import orjson

from harness.simulator.kubeapi import discovery, reads, reviews, scaling, writes
from harness.simulator.kubeapi.asgi import Request, Response, json_response
from harness.simulator.kubeapi.bodies import decode_body, media_type, parse_json
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.identity import DEFAULT_AUDIENCE, TokenError, User, impersonated
from harness.simulator.kubeapi.patches import (
    APPLY_YAML,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    json_patch,
    merge_patch,
    strategic_patch,
)
from harness.simulator.kubeapi.rbac import Attributes, authorize
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import (
    ApiError,
    bad_request,
    forbidden,
    method_not_allowed,
    no_such_path,
    not_found,
    qualified,
    unauthorized,
    unsupported_media_type,
)
from harness.simulator.kubeapi.target import Target, parse_path
from harness.simulator.kubeapi.writes import Write

_OPEN = {"/healthz", "/livez", "/readyz", "/version", "/version/"}
_AGGREGATED = "as=APIGroupDiscoveryList"


class Router:
    """Answers every request of one server."""

    def __init__(self, cluster: Cluster, address: str) -> None:
        self._cluster = cluster
        self._address = address

    async def handle(self, request: Request) -> Response:
        """Authenticate, authorize, answer. Raises ApiError."""
        path = request.path
        if path in _OPEN or path.startswith(("/healthz/", "/livez/", "/readyz/")):
            return self._open(path)
        user = self._authenticate(request)
        target = parse_path(path)
        if target is None:
            self._authorize_path(user, request)
            return self._nonresource(request, path)
        resource = self._cluster.registry.find(target.group, target.version, target.plural)
        if resource is None or resource.namespaced < bool(target.namespace):
            raise no_such_path()
        verb = self._verb(request, target)
        asked = Attributes(verb, target.group, target.plural, target.subresource, target.namespace, target.name, version=target.version)
        self._authorize(user, asked)
        if resource.deprecation:
            request.warnings.append(resource.deprecation)
        return await self._resource(request, user, resource, target, verb)

    def _open(self, path: str) -> Response:
        if path.startswith("/version"):
            return json_response(200, discovery.VERSION)
        return Response(200, b"ok", "text/plain; charset=utf-8")

    def _authenticate(self, request: Request) -> User:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise unauthorized()
        try:
            user, _ = self._cluster.identities.verify(token.strip(), [DEFAULT_AUDIENCE])
        except TokenError as error:
            raise unauthorized() from error
        name = request.headers.get("impersonate-user")
        if not name:
            if request.groups or request.extras or request.headers.get("impersonate-uid"):
                raise ApiError(500, "InternalError", "Internal error occurred: requested impersonation without impersonating a user")
            return user
        self._authorize_impersonation(user, name, request)
        return impersonated(user, name, request.groups, request.headers.get("impersonate-uid", ""), request.extras)

    def _authorize_impersonation(self, user: User, name: str, request: Request) -> None:
        parts = name.split(":")
        if name.startswith("system:serviceaccount:") and len(parts) == 4:
            asked = [Attributes("impersonate", "", "serviceaccounts", "", parts[2], parts[3])]
        else:
            asked = [Attributes("impersonate", "", "users", name=name)]
        asked += [Attributes("impersonate", "", "groups", name=group) for group in request.groups]
        for key, values in request.extras.items():
            asked += [Attributes("impersonate", "authentication.k8s.io", "userextras", key, name=value) for value in values]
        for each in asked:
            self._authorize(user, each)

    def _authorize(self, user: User, asked: Attributes) -> None:
        decision = authorize(self._cluster, user, asked)
        if decision.allowed:
            return
        whole = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
        where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
        why = f'User "{user.name}" cannot {asked.verb} resource "{whole}" in API group "{asked.group}"{where}'
        raise forbidden(asked.resource, asked.group, asked.name, why)

    def _authorize_path(self, user: User, request: Request) -> None:
        verb = request.method.lower()
        if not authorize(self._cluster, user, Attributes(verb, path=request.path)).allowed:
            message = f'forbidden: User "{user.name}" cannot {verb} path "{request.path}"'
            raise ApiError(403, "Forbidden", message, {})

    @staticmethod
    def _verb(request: Request, target: Target) -> str:
        match request.method:
            case "GET" | "HEAD":
                if request.flag("watch") or target.watching:
                    return "watch"
                return "get" if target.name else "list"
            case "POST":
                return "create"
            case "PUT":
                return "update"
            case "PATCH":
                return "patch"
            case "DELETE":
                return "delete" if target.name else "deletecollection"
            case _:
                raise method_not_allowed()

    def _nonresource(self, request: Request, path: str) -> Response:
        if request.method not in {"GET", "HEAD"}:
            raise method_not_allowed()
        registry = self._cluster.registry
        accept = request.headers.get("accept", "")
        parts = [part for part in path.split("/") if part]
        match parts:
            case ["api"] | ["apis"] if _AGGREGATED in accept and "v=v2" in accept:
                media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
                return Response(200, orjson.dumps(discovery.aggregated(registry, core=parts == ["api"])), media)
            case ["api"]:
                return json_response(200, discovery.core_versions(self._address))
            case ["apis"]:
                return json_response(200, discovery.group_list(registry))
            case ["api", version]:
                found = discovery.resource_list(registry, "", version)
            case ["apis", group]:
                found = discovery.group_of(registry, group)
            case ["apis", group, version]:
                found = discovery.resource_list(registry, group, version)
            case ["openapi", *rest]:
                from harness.simulator.kubeapi.openapi import answer

                return answer(self._cluster, rest, request)
            case _:
                found = None
        if found is None:
            raise no_such_path()
        return json_response(200, found)

    async def _resource(self, request: Request, user: User, resource: Resource, target: Target, verb: str) -> Response:
        if resource.verbs == ("create",):
            if verb != "create" or target.name:
                raise method_not_allowed()
            return await self._review(request, user, resource, target)
        if target.subresource:
            return await self._subresource(request, user, resource, target, verb)
        match verb:
            case "get":
                return self._get(request, resource, target)
            case "list" | "watch":
                return self._collection(request, resource, target, verb)
            case "create":
                if target.name:
                    raise method_not_allowed()
                return await self._create(request, user, resource, target)
            case "update" | "patch" if target.name:
                return await self._change(request, user, resource, target, verb)
            case "delete":
                return await self._delete(request, user, resource, target)
            case "deletecollection":
                return await self._delete_many(request, user, resource, target)
            case _:
                raise method_not_allowed()

    async def _review(self, request: Request, user: User, resource: Resource, target: Target) -> Response:
        body = await self._body(request)
        value = writes.decode(body, Write(resource, target.namespace, warnings=request.warnings))
        return json_response(201, reviews.answer(self._cluster, resource, value, user, target.namespace))

    async def _body(self, request: Request) -> Any:
        return decode_body(await request.body(), request.headers.get("content-type", ""))

    def _write(self, request: Request, user: User, resource: Resource, target: Target) -> Write:
        if resource.namespaced and not target.namespace:
            raise bad_request("an empty namespace may not be set during creation")
        dry = request.query.get("dryRun", "")
        if dry not in {"", "All"}:
            raise bad_request(f'Invalid value: "{dry}": supported values: "All"')
        strictness = request.query.get("fieldValidation") or "Warn"
        if strictness not in {"Strict", "Warn", "Ignore"}:
            raise bad_request(f'Invalid value: "{strictness}": supported values: "Ignore", "Warn", "Strict"')
        manager = request.query.get("fieldManager") or request.headers.get("user-agent", "unknown").partition("/")[0] or "unknown"
        return Write(
            resource=resource,
            namespace=target.namespace,
            name=target.name,
            subresource=target.subresource,
            manager=manager,
            dry_run=dry == "All",
            field_validation=strictness,
            force=request.flag("force"),
            user=user,
            warnings=request.warnings,
        )

    def _answer(self, request: Request, resource: Resource, code: int, value: dict[str, Any]) -> Response:
        if value.get("kind") == "Status":
            return json_response(code, value)
        return json_response(code, self._cluster.from_storage(value, resource))

    def _get(self, request: Request, resource: Resource, target: Target) -> Response:
        entry = self._cluster.store.get(resource.bucket, target.namespace, target.name)
        if entry is None:
            raise not_found(resource.plural, resource.group, target.name)
        return Response(200, reads.renderer(self._cluster, resource)(entry))

    def _collection(self, request: Request, resource: Resource, target: Target, verb: str) -> Response:
        query = request.query
        selection = reads.select(
            resource, target.namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""), target.name
        )
        render = reads.renderer(self._cluster, resource)
        if verb == "watch":
            options = reads.WatchOptions(
                revision=query.get("resourceVersion", ""),
                seconds=float(_number(query.get("timeoutSeconds", ""), "timeoutSeconds") or 1800),
                bookmarks=request.flag("allowWatchBookmarks"),
                initial_events=request.flag("sendInitialEvents"),
            )
            reads.parse_revision(options.revision)
            return Response(200, stream=reads.watch(self._cluster, resource, selection, options, render))
        limit = _number(query.get("limit", ""), "limit")
        page = reads.read_page(self._cluster, resource, selection, limit, query.get("continue", ""), query.get("resourceVersion", ""))
        return Response(200, reads.list_body(page, resource, render))

    async def _create(self, request: Request, user: User, resource: Resource, target: Target) -> Response:
        write = self._write(request, user, resource, target)
        value = await writes.create(self._cluster, await self._body(request), write)
        return self._answer(request, resource, 201, value)

    async def _change(self, request: Request, user: User, resource: Resource, target: Target, verb: str) -> Response:
        write = self._write(request, user, resource, target)
        if verb == "update":
            code, value = await writes.replace(self._cluster, await self._body(request), write)
        else:
            code, value = await self._patch(request, resource, write)
        return self._answer(request, resource, code, value)

    async def _patch(self, request: Request, resource: Resource, write: Write) -> tuple[int, dict[str, Any]]:
        kind = media_type(request.headers.get("content-type", ""))
        raw = await request.body()
        if kind == APPLY_YAML:
            if not request.query.get("fieldManager"):
                raise bad_request("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch")
            return await writes.apply(self._cluster, decode_body(raw, "application/yaml"), write)
        if kind not in {JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH} or (kind == STRATEGIC_PATCH and resource.custom):
            accepted = [JSON_PATCH, MERGE_PATCH, APPLY_YAML] if resource.custom else [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_YAML]
            raise unsupported_media_type(kind, accepted)
        change = parse_json(raw)
        if kind == JSON_PATCH:
            return await writes.patch(self._cluster, write, lambda value: json_patch(value, change))
        if not isinstance(change, dict):
            raise bad_request("the patch must be one JSON object")
        if kind == MERGE_PATCH:
            return await writes.patch(self._cluster, write, lambda value: dict(merge_patch(value, change)))
        schema = resource.schema()
        return await writes.patch(self._cluster, write, lambda value: dict(strategic_patch(value, change, schema)))

    async def _options(self, request: Request) -> dict[str, Any]:
        raw = await request.body()
        options = decode_body(raw, request.headers.get("content-type", "")) if raw.strip() else {}
        if not isinstance(options, dict):
            raise bad_request("the body of a delete must be DeleteOptions")
        for name in ("propagationPolicy", "gracePeriodSeconds"):
            if name in request.query:
                options.setdefault(name, request.query[name])
        if options.get("dryRun"):
            request.query["dryRun"] = "All"
        if not isinstance(options.get("preconditions") or {}, dict):
            raise bad_request("DeleteOptions.preconditions must be an object")
        return options

    async def _delete(self, request: Request, user: User, resource: Resource, target: Target) -> Response:
        options = await self._options(request)
        code, value = await writes.delete(self._cluster, self._write(request, user, resource, target), options)
        return self._answer(request, resource, code, value)

    async def _delete_many(self, request: Request, user: User, resource: Resource, target: Target) -> Response:
        options = await self._options(request)
        query = request.query
        selection = reads.select(resource, target.namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""))
        page = reads.read_page(self._cluster, resource, selection, 0, "", "")
        for entry in page.entries:
            each = with_changes(target, name=entry.name, namespace=entry.namespace)
            try:
                await writes.delete(self._cluster, self._write(request, user, resource, each), options)
            except ApiError as error:
                if error.code != 404:
                    raise
        return Response(200, reads.list_body(page, resource, reads.renderer(self._cluster, resource)))

    async def _subresource(self, request: Request, user: User, resource: Resource, target: Target, verb: str) -> Response:
        name = target.subresource
        if name not in discovery.subresources(resource) or not target.name:
            raise no_such_path()
        if name == "token":
            if verb != "create":
                raise method_not_allowed()
            body = await self._body(request)
            if not isinstance(body, dict):
                raise bad_request("the body of the request must be one object")
            return json_response(201, reviews.issue_token(self._cluster, target.namespace, target.name, body))
        if name == "status":
            if verb == "get":
                return self._get(request, resource, target)
            if verb in {"update", "patch"}:
                return await self._change(request, user, resource, target, verb)
        if name == "scale":
            return await scaling.answer(self, request, self._write(request, user, resource, target), verb)
        if name == "finalize" and verb == "update":
            return await self._change(request, user, resource, target, verb)
        raise method_not_allowed()

    @property
    def cluster(self) -> Cluster:
        """The state behind this router."""
        return self._cluster

    async def body_of(self, request: Request) -> Any:
        """The decoded body of a request."""
        return await self._body(request)


def _number(text: str, name: str) -> int:
    if not text:
        return 0
    if not text.lstrip("-").isdecimal() or len(text) > 18:
        raise bad_request(f'{name}: Invalid value: "{text}": strconv.ParseInt: parsing "{text}": invalid syntax')
    return max(int(text), 0)


__all__ = ["Router", "qualified"]
