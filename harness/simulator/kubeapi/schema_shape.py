"""The shape of schemas inside CustomResourceDefinitions: what Go would refuse to decode is refused before anything compiles it."""

from collections.abc import Iterator
from typing import Any

_TEXT = {
    "$ref", "$schema", "description", "format", "id", "pattern", "title", "type", "x-kubernetes-list-type", "x-kubernetes-map-type",
}  # fmt: skip
_FLAGS = {
    "exclusiveMaximum", "exclusiveMinimum", "nullable", "uniqueItems", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip
_NUMBERS = {"maximum", "minimum", "multipleOf"}
_COUNTS = {"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"}
_TEXTS = {"required", "x-kubernetes-list-map-keys"}
_LISTS = {"allOf", "anyOf", "oneOf"}
_MAPS = {"definitions", "patternProperties", "properties"}
_NODES = {"additionalItems", "additionalProperties", "items", "not"}
_RULE_TEXTS = {"fieldPath", "message", "messageExpression", "reason", "rule"}


def shape_errors(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Paths at which a schema node is malformed, each with the wanted type."""
    if not isinstance(node, dict):
        yield path, "object"
        return
    for name, value in node.items():
        if value is not None:
            yield from _keyword(name, value, f"{path}.{name}")


def _keyword(name: str, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if name in _TEXT and not isinstance(value, str):
        yield path, "string"
    elif name in _FLAGS and not isinstance(value, bool):
        yield path, "boolean"
    elif name in _NUMBERS and (not isinstance(value, int | float) or isinstance(value, bool)):
        yield path, "number"
    elif name in _COUNTS and (not isinstance(value, int) or isinstance(value, bool)):
        yield path, "integer"
    elif name in _TEXTS and not (isinstance(value, list) and all(isinstance(each, str) for each in value)):
        yield path, "array of string"
    elif name == "enum" and not isinstance(value, list):
        yield path, "array"
    elif name in _LISTS | _MAPS | _NODES:
        yield from _below(name, value, path)
    elif name == "x-kubernetes-validations":
        yield from _rules(value, path)


def _below(name: str, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if name in _NODES:
        if not (isinstance(value, bool) and name.startswith("additional")):
            yield from shape_errors(value, path)
    elif name in _LISTS and isinstance(value, list):
        for index, each in enumerate(value):
            yield from shape_errors(each, f"{path}[{index}]")
    elif name in _MAPS and isinstance(value, dict):
        for key, each in value.items():
            yield from shape_errors(each, f"{path}[{key}]")
    else:
        yield path, "array" if name in _LISTS else "object"


def _rules(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, list):
        yield path, "array"
        return
    for index, rule in enumerate(value):
        here = f"{path}[{index}]"
        if not isinstance(rule, dict):
            yield here, "object"
            continue
        for name, each in rule.items():
            wanted = "boolean" if name == "optionalOldSelf" else "string" if name in _RULE_TEXTS else ""
            if wanted and each is not None and not isinstance(each, bool if wanted == "boolean" else str):
                yield f"{here}.{name}", wanted
