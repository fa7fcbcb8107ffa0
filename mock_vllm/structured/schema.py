"""A JSON value that a JSON schema accepts: deterministic, small, and checked before it is sent."""

import math
from typing import Any, Final

from mock_vllm.structured.draw import Draw
from mock_vllm.structured.formats import FORMATS
from mock_vllm.structured.pattern import Unsatisfiable, matching

DEEP: Final = 6
TOO_DEEP: Final = 40
TYPES: Final = ("object", "array", "string", "integer", "number", "boolean", "null")
KEYWORDS: Final = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


def instance(schema: Any, seed: int) -> Any:
    """A value for `schema`. Raises Unsatisfiable when none was found."""
    reason = "no value was found for the schema"
    for attempt in range(8):
        try:
            value = Maker(schema, Draw(seed * 8 + attempt)).value(schema, 0)
        except Unsatisfiable as error:
            reason = str(error)
            continue
        if accepts(schema, value):
            return value
    raise Unsatisfiable(reason)


def accepts(schema: Any, value: Any) -> bool:
    """Whether `value` is valid. Raises Unsatisfiable when `schema` is not a JSON schema."""
    import jsonschema
    from jsonschema.validators import validator_for

    try:
        kind = validator_for(schema, default=jsonschema.Draft202012Validator)
        kind.check_schema(schema)
        return bool(kind(schema).is_valid(value))
    except jsonschema.SchemaError as error:
        raise Unsatisfiable(f"the schema is invalid: {error.message}") from None
    except Exception as error:  # noqa: BLE001  # references and patterns of a hostile schema fail in many ways
        raise Unsatisfiable(f"the schema cannot be used: {error}") from None


class Maker:
    """Builds one value; `root` resolves references."""

    def __init__(self, root: Any, draw: Draw) -> None:
        self._root = root
        self._draw = draw

    def value(self, schema: Any, depth: int) -> Any:
        """A value for a (sub)schema at `depth`; deep down everything optional is left out."""
        if depth > TOO_DEEP:
            raise Unsatisfiable("the schema has no finite value")
        if schema is True or schema == {}:
            return self._draw.word()
        if not isinstance(schema, dict):
            raise Unsatisfiable(
                "the schema accepts nothing" if schema is False else "a schema must be an object or a boolean"
            )
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._enum(schema)
        schema = self._combined(schema, depth)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._branch(schema, keyword, depth)
        if "const" in schema or "enum" in schema:
            return self.value(schema, depth + 1)
        return self._typed(schema, self._type(schema, depth), depth)

    def _enum(self, schema: dict[str, Any]) -> Any:
        if not schema["enum"]:
            raise Unsatisfiable("an enum of the schema is empty")
        rest = {name: value for name, value in schema.items() if name not in ("enum", "$ref", "$defs", "definitions")}
        fitting = [one for one in schema["enum"] if accepts(rest, one)] if len(rest) > 1 else list(schema["enum"])
        return self._draw.among(fitting or list(schema["enum"]))

    def _combined(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        """The schema with its reference and its allOf folded in."""
        for _ in range(TOO_DEEP):
            if "$ref" in schema:
                rest = {name: value for name, value in schema.items() if name != "$ref"}
                schema = merge(self._resolve(schema["$ref"]), rest)
            elif "allOf" in schema:
                rest = {name: value for name, value in schema.items() if name != "allOf"}
                for one in schema["allOf"]:
                    rest = merge(rest, one)
                schema = rest
            else:
                return schema
        raise Unsatisfiable("the schema refers to itself without end")

    def _resolve(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise Unsatisfiable(f"the reference {reference!r} leads outside the schema")
        found = self._root
        for part in [part for part in reference[1:].split("/") if part]:
            name = part.replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Unsatisfiable(f"the reference {reference!r} leads nowhere") from None
        return found

    def _branch(self, schema: dict[str, Any], keyword: str, depth: int) -> Any:
        rest = {name: value for name, value in schema.items() if name != keyword}
        branches = list(schema[keyword])
        start = self._draw.below(len(branches)) if branches and depth < DEEP else 0
        order = branches[start:] + branches[:start]
        if depth >= DEEP:
            order.sort(key=_size)
        problem = Unsatisfiable(f"no branch of {keyword} has a value")
        for branch in order:
            try:
                return self.value(merge(rest, branch), depth + 1)
            except Unsatisfiable as error:
                problem = error
        raise problem

    def _type(self, schema: dict[str, Any], depth: int) -> str:
        kinds = schema.get("type")
        if isinstance(kinds, str):
            return kinds
        if isinstance(kinds, list) and kinds:
            return (
                "null"
                if depth >= DEEP and "null" in kinds
                else str(self._draw.among([k for k in kinds if k != "null"] or kinds))
            )
        return next((kind for kind, words in KEYWORDS.items() if any(word in schema for word in words)), "string")

    def _typed(self, schema: dict[str, Any], kind: str, depth: int) -> Any:
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, depth)
        if kind == "string":
            return self._string(schema)
        if kind in ("integer", "number"):
            return number(schema, self._draw, whole=kind == "integer")
        if kind == "boolean":
            return bool(self._draw.below(2))
        if kind == "null":
            return None
        raise Unsatisfiable(f"unknown type {kind!r}")

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties: dict[str, Any] = schema.get("properties") or {}
        required = list(schema.get("required") or ())
        wanted = [name for name in properties if name in required or depth < DEEP]
        found: dict[str, Any] = {}
        for name in wanted:
            try:
                found[name] = self.value(properties[name], depth + 1)
            except Unsatisfiable:
                if name in required:
                    raise
        for name in required:
            if name not in found:
                found[name] = self.value(self._other(schema, name), depth + 1)
        count = 0
        while len(found) < schema.get("minProperties", 0) and count < 100:
            count += 1
            name = f"key{count}"
            found[name] = self.value(self._other(schema, name), depth + 1)
        return (
            dict(list(found.items())[: schema["maxProperties"]])
            if "maxProperties" in schema and not required
            else found
        )

    def _other(self, schema: dict[str, Any], name: str) -> Any:
        import re

        for pattern, one in (schema.get("patternProperties") or {}).items():
            if re.search(pattern, name):
                return one
        return schema.get("additionalProperties", True)

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        first: list[Any] = schema.get("prefixItems") or []
        rest = schema.get("items", True)
        if isinstance(rest, list):
            first, rest = rest, schema.get("additionalItems", True)
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems")
        length = max(least, len(first), 0 if depth >= DEEP or rest is False else 1 + self._draw.below(2))
        length = length if most is None else min(length, int(most))
        found: list[Any] = []
        if "contains" in schema and length < (most if most is not None else length + 1):
            length = max(length, int(schema.get("minContains", 1)))
            first = [*first, *[schema["contains"]] * (int(schema.get("minContains", 1)))]
        for position in range(length):
            one = first[position] if position < len(first) else rest
            found.append(
                self._different(one, found, depth) if schema.get("uniqueItems") else self.value(one, depth + 1)
            )
        return found

    def _different(self, schema: Any, others: list[Any], depth: int) -> Any:
        for _ in range(64):
            value = self.value(schema, depth + 1)
            if value not in others:
                return value
        raise Unsatisfiable("no further distinct item was found")

    def _string(self, schema: dict[str, Any]) -> str:
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
        if "pattern" in schema:
            return matching(schema["pattern"], self._draw, shortest=least, longest=most, whole=False)
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]](self._draw)
        text = f"{self._draw.word()} {self._draw.below(1000)}"
        while len(text) < least:
            text += " " + self._draw.word()
        end = most if most is not None else max(least, len(text))
        return text[: int(end)]


def number(schema: dict[str, Any], draw: Draw, *, whole: bool) -> int | float:
    """A number within the bounds and the multiple of a schema."""
    low, high = float(schema.get("minimum", -math.inf)), float(schema.get("maximum", math.inf))
    step = schema.get("multipleOf")
    grain = float(step) if step else 1.0
    if whole and grain != int(grain):
        grain = float(math.lcm(1, math.ceil(grain)))
    for name, bound in (("exclusiveMinimum", 1), ("exclusiveMaximum", -1)):
        edge = schema.get(name)
        if edge is True:
            edge = schema["minimum" if bound > 0 else "maximum"]
        if edge is not None and edge is not False:
            inside = edge + bound * (grain if whole or step else max(abs(edge), 1.0) * 1e-6)
            low, high = (max(low, inside), high) if bound > 0 else (low, min(high, inside))
    if low > high:
        raise Unsatisfiable("the bounds of a number exclude everything")
    if math.isinf(low):
        low = 0.0 if high >= 0 else high - 100
    room = min(high, low + 100) - low
    if not whole and not step:
        return round(low + room * draw.below(1000) / 1000, 6) if room else low
    first = math.ceil(low / grain)
    last = math.floor(min(high, low + max(100, 4 * grain)) / grain)
    if first > last:
        raise Unsatisfiable("no multiple lies within the bounds of a number")
    value = (first + draw.below(last - first + 1)) * grain
    return int(value) if whole or float(value).is_integer() else value


def merge(one: Any, other: Any) -> Any:
    """The schema that asks for both, as far as keywords can be joined."""
    if one is True:
        return other
    if other is True or other is None:
        return one
    if one is False or other is False:
        return False
    found = dict(one)
    for name, value in other.items():
        if name not in found:
            found[name] = value
        elif name == "properties":
            found[name] = {
                key: merge(found[name].get(key, True), value.get(key, True)) for key in {**found[name], **value}
            }
        elif name == "required":
            found[name] = list(dict.fromkeys([*found[name], *value]))
        elif name in ("minimum", "minLength", "minItems", "exclusiveMinimum", "minProperties"):
            found[name] = max(found[name], value)
        elif name in ("maximum", "maxLength", "maxItems", "exclusiveMaximum", "maxProperties"):
            found[name] = min(found[name], value)
        elif name == "enum":
            found[name] = [item for item in found[name] if item in value]
        elif name == "allOf":
            found[name] = [*found[name], *value]
        else:
            found[name] = value
    return found


def _size(schema: Any) -> int:
    return len(str(schema)) if isinstance(schema, dict) and schema.get("type") != "null" else 0
