"""The operations of a resource in OpenAPI documents."""

from typing import Any

from harness.simulator.kubeapi.patches import APPLY_YAML, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH
from harness.simulator.kubeapi.resources import Resource

Json = dict[str, Any]
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_LIST = ("labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch", "timeoutSeconds", "watch",
         "allowWatchBookmarks", "sendInitialEvents")  # fmt: skip
_NUMBERS = {"limit", "timeoutSeconds", "gracePeriodSeconds"}
_FLAGS = {"watch", "allowWatchBookmarks", "sendInitialEvents", "force", "orphanDependents"}


def operations(resource: Resource, reference: str, prefix: str) -> Json:
    """The paths of a resource and its status and scale, each with its operations."""
    base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    collection = (
        f"{base}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"{base}/{resource.plural}"
    )
    version2 = prefix == "#/definitions/"
    scope = [_parameter("namespace", "path", version2=version2)] if resource.namespaced else []
    maker = _Maker(resource, reference, version2=version2)
    if resource.verbs == ("create",):
        return {collection: {"post": maker.make("post", "create", _WRITE, body=True), "parameters": scope}}
    found: Json = {
        collection: {
            "get": maker.make("list", "list", _LIST, reply=f"{reference}List"),
            "post": maker.make("post", "create", _WRITE, body=True),
            "delete": maker.make("deletecollection", "deleteCollection", ("dryRun", *_LIST[:5])),
            "parameters": scope,
        }
    }
    named = [*scope, _parameter("name", "path", version2=version2)]
    found[f"{collection}/{{name}}"] = {
        "get": maker.make("get", "read", ()),
        "put": maker.make("put", "replace", _WRITE, body=True),
        "patch": maker.patch(),
        "delete": maker.make(
            "delete", "delete", ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
        ),
        "parameters": named,
    }
    if resource.status_subresource:
        found[f"{collection}/{{name}}/status"] = {
            "get": maker.make("get", "readStatus", ()),
            "put": maker.make("put", "replaceStatus", _WRITE, body=True),
            "patch": maker.patch("Status"),
            "parameters": named,
        }
    return found


def _parameter(name: str, where: str, *, version2: bool) -> Json:
    kind = "integer" if name in _NUMBERS else "boolean" if name in _FLAGS else "string"
    typed: Json = {"type": kind} if version2 else {"schema": {"type": kind}}
    found: Json = {"name": name, "in": where, **typed}
    if where == "path":
        found["required"] = True
    return found


class _Maker:
    """Operations of one resource."""

    def __init__(self, resource: Resource, reference: str, *, version2: bool) -> None:
        self._resource = resource
        self._reference = reference
        self._version2 = version2

    def make(self, action: str, verb: str, parameters: tuple[str, ...], *, body: bool = False, reply: str = "") -> Json:
        """One operation; `action` is the `x-kubernetes-action`, `verb` begins the operation's id."""
        resource = self._resource
        scope = "Namespaced" if resource.namespaced else ""
        group = "".join(part.title() for part in resource.group.split(".")) or "Core"
        found: Json = {
            "operationId": f"{verb}{group}{resource.version.title()}{scope}{resource.kind}",
            "tags": [f"{resource.group or 'core'}_{resource.version}"],
            "parameters": [_parameter(name, "query", version2=self._version2) for name in parameters],
            "responses": self._responses(reply or self._reference, action),
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {
                "group": resource.group,
                "kind": resource.kind,
                "version": resource.version,
            },
        }
        if body:
            self._take(found, {"application/json": self._reference, "application/yaml": self._reference})
        return found

    def patch(self, suffix: str = "") -> Json:
        """The PATCH operation with every patch type that the resource takes."""
        found = self.make("patch", f"patch{suffix}", (*_WRITE, "force"))
        kinds = [JSON_PATCH, MERGE_PATCH, APPLY_YAML]
        if not self._resource.custom:
            kinds.append(STRATEGIC_PATCH)
        if self._version2:
            found["consumes"] = kinds
            found["parameters"].append({"name": "body", "in": "body", "required": True, "schema": {"type": "object"}})
        else:
            content: Json = {kind: {"schema": {"type": "object"}} for kind in kinds}
            content[JSON_PATCH] = {"schema": {"type": "array", "items": {"type": "object"}}}
            found["requestBody"] = {"required": True, "content": content}
        return found

    def _take(self, operation: Json, kinds: dict[str, str]) -> None:
        if self._version2:
            operation["consumes"] = list(kinds)
            body = {"name": "body", "in": "body", "required": True, "schema": {"$ref": self._reference}}
            operation["parameters"].append(body)
        else:
            content = {kind: {"schema": {"$ref": reference}} for kind, reference in kinds.items()}
            operation["requestBody"] = {"required": True, "content": content}

    def _responses(self, reference: str, action: str) -> Json:
        if action in {"delete", "deletecollection"}:
            reference = reference.rsplit("/", 1)[0] + "/io.k8s.apimachinery.pkg.apis.meta.v1.Status"
        codes = {"post": ("201",), "put": ("200", "201"), "patch": ("200", "201"), "delete": ("200", "202")}.get(
            action, ("200",)
        )
        schema = {"schema": {"$ref": reference}}
        whole = schema if self._version2 else {"content": {"application/json": schema}}
        found: Json = {code: {"description": "OK", **whole} for code in codes}
        found["401"] = {"description": "Unauthorized"}
        return found
