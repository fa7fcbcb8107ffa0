"""OpenAPI documents: version 3 for each group version, version 2 for everything at once."""

import functools
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from harness.simulator.kubeapi import builtin
from harness.simulator.kubeapi.asgi import Request, Response, json_response
from harness.simulator.kubeapi.cluster import Cluster
from harness.simulator.kubeapi.crds import CRDS
from harness.simulator.kubeapi.openapi_paths import operations
from harness.simulator.kubeapi.resources import Resource
from harness.simulator.kubeapi.status import no_such_path

Json = dict[str, Any]
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_V3, _V2 = "#/components/schemas/", "#/definitions/"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ALWAYS = (f"{_META}DeleteOptions", f"{_META}Status", f"{_META}ObjectMeta", f"{_META}ListMeta", f"{_META}Patch")


def answer(cluster: Cluster, rest: list[str], request: Request) -> Response:
    """`/openapi/v3`, `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION` and `/openapi/v2`."""
    if rest == ["v2"]:
        accept = request.headers.get("accept", "")
        if "proto-openapi.spec.v2" in accept and "application/json" not in accept:
            # kubectl asks for version 2 in this form alone; an empty document makes it go on with version 3.
            return Response(200, b"", V2_PROTOBUF)
        return Response(200, _version_2(cluster))
    if rest == ["v3"]:
        return json_response(200, {"paths": _index(cluster)})
    if rest[:1] == ["v3"]:
        document = _version_3(cluster, "/".join(rest[1:]))
        if document is not None:
            return Response(200, document)
    raise no_such_path()


def _place(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _index(cluster: Cluster) -> Json:
    stamp = cluster.registry.generation
    places = {_place(resource) for resource in cluster.registry}
    return {
        place: {
            "serverRelativeURL": f"/openapi/v3/{place}?hash={hashlib.sha256(f'{place}{stamp}'.encode()).hexdigest()[:32].upper()}"
        }
        for place in sorted(places)
    }


def _version_3(cluster: Cluster, place: str) -> bytes | None:
    resources = [resource for resource in cluster.registry if _place(resource) == place]
    if not resources:
        return None
    schemas = _schemas(cluster, resources, _V3)
    document = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.34.0"},
        "paths": _paths(resources, _V3),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        },
    }
    return orjson.dumps(document)


def _version_2(cluster: Cluster) -> bytes:
    resources = list(cluster.registry)
    document = {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.34.0"},
        "paths": _paths(resources, _V2),
        "definitions": _schemas(cluster, resources, _V2),
        "securityDefinitions": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
    }
    return orjson.dumps(document)


def schema_name(resource: Resource) -> str:
    """The name of a kind's schema in documents: reversed group, version, kind."""
    if not resource.custom:
        return builtin.definition_name(resource)
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _paths(resources: Iterable[Resource], prefix: str) -> Json:
    found: Json = {}
    for resource in resources:
        found.update(operations(resource, prefix + schema_name(resource), prefix))
    return found


def _schemas(cluster: Cluster, resources: list[Resource], prefix: str) -> Json:
    wanted = list(_ALWAYS)
    custom: Json = {}
    for resource in resources:
        name = schema_name(resource)
        if resource.custom:
            custom[name] = _custom_schema(cluster, resource, prefix)
            custom[f"{name}List"] = _list_schema(resource, name, prefix)
        else:
            wanted.append(name)
            if f"{name}List" in builtin.definitions():
                wanted.append(f"{name}List")
    return {**_closure(wanted, prefix), **custom}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.rsplit("/", 1)[-1]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _closure(names: list[str], prefix: str) -> Json:
    found: Json = {}
    waiting = list(names)
    definitions = builtin.definitions()
    while waiting:
        name = waiting.pop()
        if name in found or name not in definitions:
            continue
        found[name] = _published(name, prefix)
        waiting += _references(definitions[name])
    return found


@functools.lru_cache(maxsize=4096)
def _published(name: str, prefix: str) -> Json:
    short = name.rsplit(".", 1)[-1]
    if short == "IntOrString":
        return {
            "format": "int-or-string",
            **({"type": "string"} if prefix == _V2 else {"oneOf": [{"type": "integer"}, {"type": "string"}]}),
        }
    if short == "Quantity":
        return {"type": "string"} if prefix == _V2 else {"oneOf": [{"type": "string"}, {"type": "number"}]}
    found = _respelled(builtin.definitions()[name], prefix)
    assert isinstance(found, dict)
    return found


def _respelled(node: Any, prefix: str) -> Any:
    """JSON Schema as OpenAPI spells it: one type, references into the document; a described reference is wrapped."""
    if isinstance(node, list):
        return [_respelled(each, prefix) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        reference = {"$ref": prefix + node["$ref"].rsplit("/", 1)[-1]}
        rest = {k: _respelled(v, prefix) for k, v in node.items() if k != "$ref"}
        return {**rest, "allOf": [reference]} if rest and prefix == _V3 else reference
    result = {}
    for key, each in node.items():
        if key == "type" and isinstance(each, list):
            result[key] = next((k for k in each if k != "null"), "object")
        else:
            result[key] = _respelled(each, prefix)
    return result


def _custom_schema(cluster: Cluster, resource: Resource, prefix: str) -> Json:
    entry = cluster.store.get(CRDS, "", f"{resource.plural}.{resource.group}")
    versions = entry.decode()["spec"]["versions"] if entry is not None else []
    schema: Json = next(
        (v["schema"]["openAPIV3Schema"] for v in versions if v["name"] == resource.version), {"type": "object"}
    )
    properties = schema.setdefault("properties", {})
    reference = {"$ref": f"{prefix}{_META}ObjectMeta"}
    text = "Standard object's metadata."
    properties["metadata"] = {"description": text, "allOf": [reference]} if prefix == _V3 else reference
    properties.setdefault("apiVersion", {"type": "string"})
    properties.setdefault("kind", {"type": "string"})
    schema["x-kubernetes-group-version-kind"] = [_kind(resource)]
    return schema


def _list_schema(resource: Resource, name: str, prefix: str) -> Json:
    return {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "items": {"type": "array", "items": {"$ref": prefix + name}},
            "metadata": {"$ref": f"{prefix}{_META}ListMeta"},
        },
        "x-kubernetes-group-version-kind": [{**_kind(resource), "kind": resource.list_kind}],
    }


def _kind(resource: Resource) -> Json:
    return {"group": resource.group, "kind": resource.kind, "version": resource.version}
