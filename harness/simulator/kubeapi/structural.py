"""Structural schemas: compiled once from OpenAPI v3, then used to prune, default and look up merge keys."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

Json = dict[str, Any]
Resolver = Callable[[str], "Schema"]

_ROOT_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


@dataclass(slots=True, eq=False)
class Schema:
    """One node of a structural schema; not frozen because built-in kinds refer to one another in cycles."""

    type: str = ""
    properties: dict[str, "Schema"] = field(default_factory=dict)
    items: "Schema | None" = None
    additional: "Schema | None" = None
    required: tuple[str, ...] = ()
    nullable: bool = False
    preserve_unknown: bool = False
    int_or_string: bool = False
    embedded: bool = False
    has_default: bool = False
    default: Any = None
    enum: tuple[Any, ...] = ()
    pattern: str = ""
    matcher: Any = None
    format: str = ""
    bounds: Mapping[str, Any] = field(default_factory=dict)
    all_of: tuple["Schema", ...] = ()
    any_of: tuple["Schema", ...] = ()
    one_of: tuple["Schema", ...] = ()
    negated: "Schema | None" = None
    rules: tuple[Json, ...] = ()
    list_type: str = ""
    list_keys: tuple[str, ...] = ()
    map_type: str = ""
    patch_strategy: str = ""
    patch_merge_key: str = ""
    description: str = ""

    def child(self, name: str) -> "Schema | None":
        """The schema of a property, or of any value of a map; None when the schema says nothing about it."""
        return self.properties.get(name) or self.additional


ANYTHING = Schema(preserve_unknown=True)

_BOUNDS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
)  # fmt: skip


def _type_of(node: Json) -> str:
    kind = node.get("type", "")
    if isinstance(kind, list):
        return next((k for k in kind if k != "null"), "")
    return kind if isinstance(kind, str) else ""


def _several(node: Json, key: str, resolve: Resolver | None) -> tuple[Schema, ...]:
    return tuple(compile_schema(each, resolve) for each in node.get(key) or ())


def compile_schema(node: Json, resolve: Resolver | None = None) -> Schema:
    """Compile one OpenAPI v3 node (and everything below it). Raises ValueError for a pattern that RE2 refuses."""
    if "$ref" in node and resolve is not None:
        return resolve(node["$ref"])
    pattern = node.get("pattern") or ""
    additional = node.get("additionalProperties")
    schema = Schema(
        type=_type_of(node),
        required=tuple(node.get("required") or ()),
        nullable=bool(node.get("nullable")),
        preserve_unknown=bool(node.get("x-kubernetes-preserve-unknown-fields")) or additional is True,
        int_or_string=bool(node.get("x-kubernetes-int-or-string")),
        embedded=bool(node.get("x-kubernetes-embedded-resource")),
        has_default="default" in node,
        default=node.get("default"),
        enum=tuple(node.get("enum") or ()),
        pattern=pattern,
        matcher=_matcher(pattern) if pattern else None,
        format=node.get("format") or "",
        bounds={name: node[name] for name in _BOUNDS if node.get(name) is not None},
        all_of=_several(node, "allOf", resolve),
        any_of=_several(node, "anyOf", resolve),
        one_of=_several(node, "oneOf", resolve),
        negated=compile_schema(node["not"], resolve) if node.get("not") else None,
        rules=tuple(node.get("x-kubernetes-validations") or ()),
        list_type=node.get("x-kubernetes-list-type") or "",
        list_keys=tuple(node.get("x-kubernetes-list-map-keys") or ()),
        map_type=node.get("x-kubernetes-map-type") or "",
        patch_strategy=node.get("x-kubernetes-patch-strategy") or "",
        patch_merge_key=node.get("x-kubernetes-patch-merge-key") or "",
        description=node.get("description") or "",
    )
    schema.properties = {k: compile_schema(v, resolve) for k, v in (node.get("properties") or {}).items()}
    if isinstance(node.get("items"), dict):
        schema.items = compile_schema(node["items"], resolve)
    if isinstance(additional, dict):
        schema.additional = compile_schema(additional, resolve)
    return schema


def _matcher(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"pattern {pattern!r} is not a regular expression of RE2: {error}") from error


def prune(value: Any, schema: Schema, path: str = "", *, root: bool = False) -> list[str]:
    """Remove every field that the schema does not know, in place; returns the dotted paths that were removed."""
    dropped: list[str] = []
    if isinstance(value, dict):
        known_roots = _ROOT_FIELDS if root or schema.embedded else frozenset[str]()
        for name in list(value):
            here = f"{path}.{name}" if path else name
            child = schema.child(name)
            if name in known_roots and (schema.embedded or child is None):
                continue
            if child is not None:
                dropped += prune(value[name], child, here)
            elif not schema.preserve_unknown:
                del value[name]
                dropped.append(here)
    elif isinstance(value, list) and schema.items is not None:
        for index, each in enumerate(value):
            dropped += prune(each, schema.items, f"{path}[{index}]")
    return dropped


def _takes_null(schema: Schema) -> bool:
    return schema.nullable or not (schema.type or schema.int_or_string)


def apply_defaults(value: Any, schema: Schema) -> None:
    """Fill in what the schema defaults, in place; a null that is not nullable gives way to the default, or goes."""
    if isinstance(value, dict):
        for name in [n for n, each in value.items() if each is None]:
            known = schema.child(name)
            if known is not None and not known.has_default and not _takes_null(known):
                del value[name]
        for name, child in schema.properties.items():
            if child.has_default and (name not in value or (value[name] is None and not child.nullable)):
                value[name] = copy.deepcopy(child.default)
            if name in value:
                apply_defaults(value[name], child)
        if schema.additional is not None:
            for name, each in value.items():
                if name not in schema.properties:
                    apply_defaults(each, schema.additional)
    elif isinstance(value, list) and schema.items is not None:
        for each in value:
            apply_defaults(each, schema.items)


def drop_nulls(value: Any, schema: Schema) -> None:
    """Remove nulls in place, as Go does when it decodes a built-in kind; free-form content keeps them."""
    if isinstance(value, dict):
        if schema.preserve_unknown and not schema.properties:
            return
        for name in [n for n, each in value.items() if each is None]:
            del value[name]
        for name, each in value.items():
            child = schema.child(name)
            if child is not None:
                drop_nulls(each, child)
    elif isinstance(value, list) and schema.items is not None:
        for index, each in enumerate(value):
            if each is None:
                # Go reads a null element as the zero value of its type.
                value[index] = {"object": {}, "string": "", "integer": 0, "array": []}.get(schema.items.type)
            else:
                drop_nulls(each, schema.items)
