"""Request bodies: read fast; when one does not fit, say why as FastAPI and pydantic do, for every field at once."""

import json
import re
from typing import Any, Final, TypeVar

import msgspec

from mock_vllm.errors import ApiError

T = TypeVar("T")
MAX_REPORTED: Final = 10
KINDS: Final = {
    "int": ("int_type", "Input should be a valid integer"),
    "float": ("float_type", "Input should be a valid number"),
    "str": ("string_type", "Input should be a valid string"),
    "bool": ("bool_type", "Input should be a valid boolean"),
    "array": ("list_type", "Input should be a valid list"),
    "object": ("dict_type", "Input should be a valid dictionary"),
}
_PLACE: Final = re.compile(r" - at `\$(.*)`$")
_MISSING: Final = re.compile(r"^Object missing required field `(.+?)`")
_EXPECTED: Final = re.compile(r"^Expected `(.+?)`(?: (>=|<=|>|<) ([-\d.]+))?(?:, got `(.+?)`)?")


def read(body: bytes, content_type: bytes, kind: type[T]) -> T:
    """The body as `kind`. Raises ApiError (400, type Bad Request) for other media types, broken JSON and fields that do not fit."""
    if content_type != b"application/json" and content_type.split(b";")[0].strip().lower() != b"application/json":
        raise _refused(["Unsupported Media Type: Only 'application/json' is allowed"], None)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _broken(body) from None
    try:
        return msgspec.json.decode(body, type=kind, strict=False)  # pydantic reads "5" as 5, too
    except msgspec.ValidationError as error:
        first = str(error)
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _broken(body) from None  # what does not fit came first, but behind it the text is no JSON
    raise _unfit(raw, kind, first)


def _broken(body: bytes) -> ApiError:
    """Not JSON at all."""
    place, reason = 0, "Expecting value"
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        place, reason = error.pos, error.msg
    except (UnicodeDecodeError, RecursionError):
        return _refused([{"type": "json_invalid", "loc": "body", "msg": "JSON decode error", "input": {}}], "body")
    entry = {
        "type": "json_invalid",
        "loc": f"body.{place}",
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": reason},
    }
    return _refused([entry], f"body.{place}")


def _unfit(raw: Any, kind: Any, first: str) -> ApiError:
    """JSON of the wrong shape: each field is tried by itself, so that all that is wrong is said."""
    if not isinstance(raw, dict) or not isinstance(kind, type) or not issubclass(kind, msgspec.Struct):
        return _refused([_entry(first, raw, "")], "body")
    found = []
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if name not in raw:
            if field.required:
                found.append({"type": "missing", "loc": f"body.{name}", "msg": "Field required", "input": _shown(raw)})
            continue
        try:
            msgspec.convert(raw[name], field.type, strict=False)
        except msgspec.ValidationError as error:
            found.append(_entry(str(error), raw[name], "." + name))
    if not found:
        found.append(_entry(first, raw, ""))
    return _refused(found, str(found[0]["loc"]))


def _entry(text: str, value: Any, prefix: str) -> dict[str, Any]:
    """One of msgspec's sentences as one of pydantic's entries."""
    place = _PLACE.search(text)
    path = prefix + (place.group(1) if place else "")
    steps = [step for step in re.split(r"[.\[\]]+", path) if step]
    loc = ".".join(["body", *steps])
    message = _PLACE.sub("", text)
    missing = _MISSING.match(message)
    if missing:
        return {"type": "missing", "loc": f"{loc}.{missing.group(1)}", "msg": "Field required", "input": _shown(value)}
    expected = _EXPECTED.match(message)
    if expected and expected.group(2):
        name, word = {
            ">=": ("greater_than_equal", "greater than or equal to"),
            "<=": ("less_than_equal", "less than or equal to"),
            ">": ("greater_than", "greater than"),
            "<": ("less_than", "less than"),
        }[expected.group(2)]
        return {"type": name, "loc": loc, "msg": f"Input should be {word} {expected.group(3)}", "input": _shown(value)}
    if expected:
        known = [KINDS[one.strip()] for one in expected.group(1).split("|") if one.strip() in KINDS]
        if known:
            return {"type": known[0][0], "loc": loc, "msg": known[0][1], "input": _shown(value)}
    return {"type": "value_error", "loc": loc, "msg": f"Value error, {message}", "input": _shown(value)}


def _shown(value: Any) -> Any:
    """A value small enough for a message."""
    if isinstance(value, dict | list):
        return f"<{type(value).__name__} of {len(value)} items>"
    if isinstance(value, str) and len(value) > 200:
        return value[:200] + "...[truncated]"
    return value


def _refused(entries: list[Any], param: str | None) -> ApiError:
    count = len(entries)
    label = "error" if count == 1 else "errors"
    lines = [f"  {entry}" for entry in entries[:MAX_REPORTED]]
    if count > MAX_REPORTED:
        lines.append(f"  ...and {count - MAX_REPORTED} more {label}")
    text = f"{count} validation {label}:\n" + "\n".join(lines)
    return ApiError(text, kind="Bad Request", param=param)
