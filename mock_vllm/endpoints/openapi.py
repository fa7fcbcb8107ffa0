"""GET /openapi.json: every route with the schema of its body, generated from the types that read it."""

from typing import Any

import msgspec

from mock_vllm.app import App
from mock_vllm.routes import Route
from mock_vllm.wire.exchange import Exchange

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "integer"},
            },
        }
    },
}
ANTHROPIC_ERROR = {
    "type": "object",
    "required": ["type", "error"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        },
    },
}


def document(app: App) -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    tables = [*app.routes.fixed.items(), *(("/".join(pattern), methods) for pattern, methods in app.routes.patterns)]
    everything = [route for _, methods in tables for route in methods.values()]
    types = list(dict.fromkeys(route.body for route in everything if route.body is not None))
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    known = dict(zip(types, schemas, strict=True))
    paths = {
        path: {route.method.lower(): _operation(route, known) for route in methods.values()} for path, methods in tables
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "vLLM (mock)", "version": app.version.text},
        "paths": paths,
        "components": {"schemas": {**components, "Error": ERROR, "AnthropicError": ANTHROPIC_ERROR}},
    }


def _operation(route: Route, schemas: dict[Any, Any]) -> dict[str, Any]:
    kind = "AnthropicError" if route.path.startswith("/v1/messages") else "Error"
    failed = {
        "description": "Refused",
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind}"}}},
    }
    found: dict[str, Any] = {"responses": {"200": {"description": "Answered"}, "400": failed, "404": failed}}
    names = [part[1:-1] for part in route.path.split("/") if part[:1] == "{"]
    if names:
        found["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in names
        ]
    if route.body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[route.body]}}}
    return found


def routes(app: App) -> list[Route]:
    """The document; it is written when it is first asked for."""
    written: list[bytes] = []

    def openapi(exchange: Exchange) -> None:
        if not written:
            written.append(msgspec.json.encode(document(app)))
        exchange.reply(written[0])

    return [Route("GET", "/openapi.json", openapi, journalled=False)]
