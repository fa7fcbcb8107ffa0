"""Protobuf request bodies: kubectl's imperative commands and typed Go clients send built-in kinds in this form.

The envelope is `k8s\\0` and a `runtime.Unknown`; inside lies the object in Kubernetes' own messages (`protobuf_fields.json`).
"""

import base64
import functools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from harness.simulator.kubeapi.status import ApiError, bad_request

MAGIC = b"k8s\x00"
DEPTH = 64
_META = "k8s.io.apimachinery.pkg.apis.meta.v1."
_UNKNOWN = "k8s.io.apimachinery.pkg.runtime.Unknown"
_PACKAGES = {"": "core", "rbac.authorization.k8s.io": "rbac"}
Json = dict[str, Any]
Fields = dict[int, tuple[str, str]]


class _MalformedError(ValueError):
    """Bytes that are no protobuf message of the expected kind."""


@functools.cache
def _messages() -> dict[str, Fields]:
    raw = orjson.loads(Path(__file__).with_name("protobuf_fields.json").read_bytes())
    return {
        name: {int(number): (field[0], field[1]) for number, field in fields.items()} for name, fields in raw.items()
    }


def decode_envelope(raw: bytes) -> Json:
    """The object in a protobuf body. Raises ApiError 400 for anything else."""
    if not raw.startswith(MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = _message(raw[len(MAGIC) :], _UNKNOWN, 0)
        api_version, kind = envelope.get("apiVersion", ""), envelope.get("kind", "")
        value = _message(base64.b64decode(envelope.get("raw", "")), message_name(api_version, kind), 0)
    except (_MalformedError, UnicodeDecodeError, OverflowError) as error:
        raise bad_request(f"the protobuf body of the request cannot be decoded: {error}") from error
    return {"kind": kind, "apiVersion": api_version, **value}


def message_name(api_version: str, kind: str) -> str:
    """The protobuf message of a kind. Raises ApiError 400 for one that has none."""
    group, _, version = api_version.rpartition("/")
    candidates = [
        f"k8s.io.api.{_PACKAGES.get(group, group.partition('.')[0])}.{version}.{kind}",
        f"k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.{version}.{kind}",
        _META + kind,
    ]
    found = next((name for name in candidates if name in _messages()), None)
    if found is None:
        raise _no_kind(api_version, kind)
    return found


def _no_kind(api_version: str, kind: str) -> ApiError:
    return bad_request(f'no kind "{kind}" is registered for version "{api_version}" in protobuf form; send JSON')


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(raw) or shift > 63:
            raise _MalformedError("a number is cut off")
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        match tag & 7:
            case 0:
                value, at = _varint(raw, at)
                yield tag >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = _varint(raw, at)
            case 5:
                size = 4
            case other:
                raise _MalformedError(f"wire type {other} is not in use")
        if at + size > len(raw):
            raise _MalformedError("a field is cut off")
        yield tag >> 3, raw[at : at + size]
        at += size


def _message(raw: bytes, name: str, depth: int) -> Json:
    if depth > DEPTH:
        raise _MalformedError(f"nested deeper than {DEPTH} messages")
    known = _messages().get(name, {})
    result: Json = {}
    for number, value in _fields(raw):
        field = known.get(number)
        if field is not None:
            _take(result, field[0], field[1], value, depth)
    return result


def _take(result: Json, name: str, kind: str, value: int | bytes, depth: int) -> None:
    mark = kind[0] if kind[0] in "*%" else ""
    if mark == "*":
        result.setdefault(name, []).append(_value(kind[1:], value, depth))
    elif mark == "%":
        key, item = _map_entry(value, kind[1:], depth)
        result.setdefault(name, {})[key] = item
    else:
        plain = kind.lstrip("!?")
        found = _value(plain, value, depth)
        if "!" in kind:
            result.update(found if isinstance(found, dict) else {})
        elif "?" in kind or found not in ("", 0, False, None, {}):
            result[name] = found


def _map_entry(value: int | bytes, kind: str, depth: int) -> tuple[str, Any]:
    if isinstance(value, int):
        raise _MalformedError("a map entry is not a message")
    key, item = "", _value(kind, b"", depth) if kind not in {"i", "b", "d"} else 0
    for number, each in _fields(value):
        if number == 1 and isinstance(each, bytes):
            key = each.decode()
        elif number == 2:
            item = _value(kind, each, depth)
    return key, item


def _value(kind: str, value: int | bytes, depth: int) -> Any:
    if kind in {"i", "b"}:
        if not isinstance(value, int):
            raise _MalformedError("a number is not where it belongs")
        signed = value - (1 << 64) if value >= 1 << 63 else value
        return bool(value) if kind == "b" else signed
    if isinstance(value, int):
        raise _MalformedError("a number stands where text or a message belongs")
    match kind:
        case "s":
            return value.decode()
        case "y":
            return base64.b64encode(value).decode()
        case "d":
            raise _MalformedError("floating point fields are not in use")
    special = _SPECIAL.get(kind.rsplit(".", 1)[-1])
    found = _message(value, kind, depth + 1)
    return special(found) if special is not None else found


def _time(found: Json) -> str | None:
    if not found:
        return None
    moment = datetime.fromtimestamp(found.get("seconds", 0), UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(found: Json) -> str | None:
    if not found:
        return None
    moment = datetime.fromtimestamp(found.get("seconds", 0), UTC)
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{found.get('nanos', 0) // 1000:06d}Z"


def _raw_json(found: Json) -> Any:
    raw = found.get("raw") or found.get("Raw") or ""
    try:
        return orjson.loads(base64.b64decode(raw)) if raw else None
    except orjson.JSONDecodeError as error:
        raise _MalformedError(f"embedded JSON: {error}") from error


_SPECIAL: dict[str, Callable[[Json], Any]] = {
    "Time": _time,
    "MicroTime": _micro_time,
    "Duration": lambda found: f"{found.get('duration', 0) / 1e9:g}s",
    "Quantity": lambda found: found.get("string", "0"),
    "IntOrString": lambda found: found.get("strVal", "") if found.get("type") else found.get("intVal", 0),
    "RawExtension": _raw_json,
    "FieldsV1": _raw_json,
    "JSON": _raw_json,
    "ExtraValue": lambda found: found.get("items", []),
}
