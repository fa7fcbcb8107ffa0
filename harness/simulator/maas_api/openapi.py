"""The OpenAPI 3.1 document, made from the table of operations and the messages."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic.json_schema import models_json_schema

from .routes import OPERATIONS, Operation

_REFERENCE = "#/components/schemas/{model}"
_TEXT: dict[str, Any] = {"type": "string"}
_ERRORS: dict[str, dict[str, Any]] = {
    "listing": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type"],
                "properties": {"message": _TEXT, "type": _TEXT},
            }
        },
    },
    "request": {"type": "object", "required": ["error"], "properties": {"error": _TEXT, "code": _TEXT}},
    "tenant": {"type": "object", "required": ["error", "details"], "properties": {"error": _TEXT, "details": _TEXT}},
    "identity": {
        "type": "object",
        "required": ["error", "exceptionCode", "refId"],
        "properties": {
            "error": _TEXT,
            "exceptionCode": {"const": "AUTH_FAILURE"},
            "refId": {"enum": ["001", "002", "003"]},
        },
    },
}


def document() -> dict[str, Any]:
    """The document as JSON values."""
    models = {operation.answer for operation in OPERATIONS} | {
        operation.body for operation in OPERATIONS if operation.body
    }
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in ordered], ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    errors = {f"{name.capitalize()}Error": schema for name, schema in _ERRORS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "MaaS management API", "version": _version()},
        "paths": paths,
        "components": {"schemas": schemas.get("$defs", {}) | errors},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.handler.__name__,
        "x-reach": operation.reach,
        "responses": {
            str(operation.success): {"description": "success", "content": _json(_reference(operation.answer.__name__))}
        },
    }
    if "{" in operation.path:
        name = operation.path.partition("{")[2].partition("}")[0]
        described["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _TEXT}]
    if operation.body:
        reference = _reference(operation.body.__name__)
        described["requestBody"] = {"required": True, "content": _json(reference)}
    if operation.error_shape:
        reference = _reference(f"{operation.error_shape.capitalize()}Error")
        described["responses"]["default"] = {"description": "refused or failed", "content": _json(reference)}
    if operation.reach == "gateway":
        reference = _reference("IdentityError")
        described["responses"]["500"] = {"description": "identity headers are missing", "content": _json(reference)}
    return described


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(model=name)}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _version() -> str:
    try:
        return version("maas-conformance")
    except PackageNotFoundError:
        return "0"
