"""Validation against a structural schema, worded as a cluster words it."""

import base64
import binascii
import functools
import ipaddress
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from harness.simulator.kubeapi.status import Cause
from harness.simulator.kubeapi.structural import Schema


def go_number(value: float) -> str:
    """A floating point number as Go prints it: `100`, `1.5`, `1e+09`, `9.223372036854776e+18`."""
    text = repr(float(value))
    if "e" in text or abs(value) < 10**6:
        return text.removesuffix(".0")
    whole = text.replace(".", "").lstrip("-")
    exponent = len(text.partition(".")[0].lstrip("-")) - 1
    digits = whole.rstrip("0")
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{'-' if value < 0 else ''}{digits[0]}{fraction}e+{exponent:02}"


def _bound(bound: float, value: float) -> str:
    """A limit as messages print it: whole beside a whole number, a floating point number beside any other."""
    whole = isinstance(value, int) and -_INT64 <= value < _INT64 and float(bound).is_integer()
    return str(int(bound)) if whole else go_number(bound)


def shown(value: Any) -> str:
    """A value as field errors quote it: a number as Go prints it, anything else as JSON."""
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63):
        return go_number(value)
    return orjson.dumps(value).decode()


def invalid_value(path: str, value: Any, detail: str, reason: str = "FieldValueInvalid") -> Cause:
    """`Invalid value: …: detail` at a path."""
    return Cause(reason, path, f"Invalid value: {shown(value)}: {detail}")


def required(path: str, detail: str = "") -> Cause:
    """`Required value` at a path."""
    return Cause("FieldValueRequired", path, f"Required value: {detail}" if detail else "Required value")


def unsupported(path: str, value: Any, supported: list[str]) -> Cause:
    """`Unsupported value` with the values that would do, quoted and in order."""
    listed = ", ".join(f'"{each}"' for each in supported)
    return Cause("FieldValueNotSupported", path, f"Unsupported value: {shown(value)}: supported values: {listed}")


def validate(value: Any, schema: Schema, path: str = "", *, old: Any = None) -> list[Cause]:
    """Every way in which the value breaks the schema (CEL rules are checked elsewhere).

    As on a cluster, members that are those of `old`, what was stored, are not judged again, however deep they lie.
    """
    known = old if isinstance(old, dict) else {}
    return list(_errors(value, schema, path, known))


_INT64 = 2**63
_TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    str: "string",
    list: "array",
    dict: "object",
}


def type_name(value: Any) -> str:
    """The JSON type of a value as field errors name it; a whole float counts as an integer, and one beyond 64 bits
    does not, as in Go."""
    if isinstance(value, float):
        return "integer" if value.is_integer() and abs(value) < _INT64 else "number"
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT64 <= value < _INT64:
        return "number"
    return _TYPE_NAMES[type(value)]


def _type_fits(value: Any, schema: Schema) -> bool:
    if value is None:
        return schema.nullable
    if schema.int_or_string:
        return isinstance(value, int | str) and not isinstance(value, bool)
    came = type_name(value)
    return not schema.type or came == schema.type or (schema.type == "number" and came == "integer")


_NOTHING: Final[Mapping[str, Any]] = {}


def _errors(value: Any, schema: Schema, path: str, known: Mapping[str, Any] = _NOTHING) -> Iterator[Cause]:
    fits = _type_fits(value, schema)
    if not fits:
        wanted = "integer,string" if schema.int_or_string else schema.type or "object"
        came = type_name(value)
        text = f'{path or "."} in body must be of type {wanted}: "{came}"'
        yield Cause("FieldValueTypeInvalid", path, f'Invalid value: "{came}": {text}')
    if schema.enum and value is not None and value not in schema.enum:
        yield unsupported(path, value, [e if isinstance(e, str) else shown(e) for e in schema.enum])
    if isinstance(value, int | float) and not isinstance(value, bool) and schema.type in {"integer", "number"}:
        yield from _number_errors(value, schema, path)
    if not fits or value is None:
        return
    yield from _combined(value, schema, path)
    if isinstance(value, dict):
        yield from _object_errors(value, schema, path, known)
    elif isinstance(value, list):
        yield from _list_errors(value, schema, path)
    elif isinstance(value, str) and not _flawless(value, schema):
        yield from _string_errors(value, schema, path)


def _object_errors(
    value: dict[str, Any], schema: Schema, path: str, known: Mapping[str, Any] = _NOTHING
) -> Iterator[Cause]:
    for name in schema.required:
        if name not in value:
            yield required(f"{path}.{name}" if path else name)
    most, least = schema.bounds.get("maxProperties"), schema.bounds.get("minProperties")
    if most is not None and len(value) > most:
        yield Cause("FieldValueTooMany", path, f"Too many: {len(value)}: must have at most {most} items")
    if least is not None and len(value) < least:
        yield invalid_value(path, len(value), f"{path} in body should have at least {least} properties")
    for name, each in value.items():
        child = schema.child(name)
        if child is not None and not (name in known and known[name] == each):
            before = known.get(name)
            below = before if isinstance(before, dict) else _NOTHING
            yield from _errors(each, child, f"{path}.{name}" if path else name, below)


def _list_errors(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    most, least = schema.bounds.get("maxItems"), schema.bounds.get("minItems")
    if most is not None and len(value) > most:
        yield Cause("FieldValueTooMany", path, f"Too many: {len(value)}: must have at most {most} items")
    if least is not None and len(value) < least:
        yield invalid_value(path, len(value), f"{path} in body should have at least {least} items")
    if schema.bounds.get("uniqueItems") and len({shown(each) for each in value}) < len(value):
        yield invalid_value(path, value, f"{path} in body shouldn't contain duplicates")
    if schema.items is not None:
        for index, each in enumerate(value):
            yield from _errors(each, schema.items, f"{path}[{index}]")
    yield from _duplicates(value, schema, path)


def _duplicates(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    if schema.list_type not in {"map", "set"}:
        return
    seen: set[str] = set()
    for index, each in enumerate(value):
        key: Any = each
        if schema.list_type == "map":
            if not isinstance(each, dict):
                continue
            key = {name: each[name] for name in schema.list_keys if name in each}
        text = orjson.dumps(key, option=orjson.OPT_SORT_KEYS).decode()
        if text in seen:
            yield Cause("FieldValueDuplicate", f"{path}[{index}]", f"Duplicate value: {text}")
        seen.add(text)


@functools.lru_cache(maxsize=16384)
def _flawless(value: str, schema: Schema) -> bool:
    """Whether a text fits; remembered, because names, reasons and times come again and again."""
    return not any(_string_errors(value, schema, ""))


def _string_errors(value: str, schema: Schema, path: str) -> Iterator[Cause]:
    most, least = schema.bounds.get("maxLength"), schema.bounds.get("minLength")
    # A cluster reports the first of these three alone.
    if most is not None and len(value) > most:
        yield Cause("FieldValueTooLong", path, f"Too long: may not be more than {most} bytes")
    elif least is not None and len(value) < least:
        yield invalid_value(path, value, f"{path} in body should be at least {least} chars long")
    elif schema.matcher is not None and schema.matcher.search(value) is None:
        yield invalid_value(path, value, f"{path} in body should match '{schema.pattern}'")
    if schema.format in FORMATS and not _has_format(value, schema.format):
        detail = f"{path} in body must be of type {schema.format}: {shown(value)}"
        yield invalid_value(path, value, detail, "FieldValueTypeInvalid")


def _number_errors(value: float, schema: Schema, path: str) -> Iterator[Cause]:
    bounds = schema.bounds
    most, least, step = bounds.get("maximum"), bounds.get("minimum"), bounds.get("multipleOf")
    if step and value % step:
        yield invalid_value(path, value, f"{path} in body should be a multiple of {_bound(step, value)}")
    if most is not None and (value > most or (value == most and bounds.get("exclusiveMaximum"))):
        word = "less than" if bounds.get("exclusiveMaximum") else "less than or equal to"
        yield invalid_value(path, value, f"{path} in body should be {word} {_bound(most, value)}")
    if least is not None and (value < least or (value == least and bounds.get("exclusiveMinimum"))):
        word = "greater than" if bounds.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid_value(path, value, f"{path} in body should be {word} {_bound(least, value)}")


def _combined(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    for each in schema.all_of:
        yield from _errors(value, each, path)
    if schema.any_of and not any(not validate(value, each, path) for each in schema.any_of):
        yield _alternative(path, "must validate at least one schema (anyOf)")
        yield from _errors(value, schema.any_of[0], path)
    if schema.one_of:
        fitting = sum(not validate(value, each, path) for each in schema.one_of)
        if fitting != 1:
            found = f"Found {fitting} valid alternatives" if fitting else "Found none valid"
            yield _alternative(path, f"must validate one and only one schema (oneOf). {found}")
        if not fitting:
            yield from _errors(value, schema.one_of[0], path)
    if schema.negated is not None and not validate(value, schema.negated, path):
        yield _alternative(path, "must not validate the schema (not)")


def _alternative(path: str, told: str) -> Cause:
    """An error of combined schemas: a cluster names the place in the sentence alone."""
    return Cause("FieldValueInvalid", "<nil>", f'Invalid value: "": "{path}" {told}')


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return fits


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


def _date_time(text: str) -> datetime:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text):
        raise ValueError(text)
    return datetime.fromisoformat(re.sub(r"\.\d+", "", text.upper()))


FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _parses(_date_time),
    "date": _matches(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"),
    "uuid": _parses(uuid.UUID),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _parses(lambda text: ipaddress.ip_network(text, strict=False)),
    "byte": _parses(lambda text: base64.b64decode(text, validate=True)),
    "email": _matches(r"[^@\s]+@[^@\s]+"),
    "hostname": _matches(r"(?i)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*\.?"),
    "uri": _matches(r"[A-Za-z][A-Za-z0-9+.-]*:\S*|/\S*"),
    "duration": _matches(r"-?(\d+(\.\d*)?(ns|us|µs|ms|s|m|h|d|w))+|0"),
}


def _has_format(value: str, name: str) -> bool:
    return FORMATS[name](value)
