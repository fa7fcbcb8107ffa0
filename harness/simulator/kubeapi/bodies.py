"""Request bodies: JSON and YAML, with limits on size and depth."""

import functools
import json
from collections.abc import Iterator
from typing import Any

import orjson

from harness.simulator.kubeapi.status import bad_request, too_large, unsupported_media_type

LIMIT = 3 * 1024 * 1024
DEPTH = 256
JSON_TYPES = ("application/json",)
YAML_TYPES = ("application/yaml",)
PROTOBUF = "application/vnd.kubernetes.protobuf"


def media_type(header: str) -> str:
    """A content type without its parameters."""
    return header.partition(";")[0].strip().lower()


def decode_body(raw: bytes, content_type: str) -> Any:
    """The value of a body. Raises ApiError 400, 413 or 415."""
    if len(raw) > LIMIT:
        raise too_large(LIMIT)
    kind = media_type(content_type) or "application/json"
    if kind == PROTOBUF:
        from harness.simulator.kubeapi.protobuf import decode_envelope

        return decode_envelope(raw)
    if kind.endswith("yaml"):
        return _yaml(raw)
    if kind == "application/json" or kind.endswith("+json"):
        return parse_json(raw)
    raise unsupported_media_type(kind, [*JSON_TYPES, *YAML_TYPES, PROTOBUF])


def parse_json(raw: bytes) -> Any:
    """JSON, not nested deeper than `DEPTH`. Raises ApiError 400."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    return _shallow(value)


class _Pairs(dict[str, Any]):
    """An object that remembers which of its names came twice."""

    repeated: tuple[str, ...] = ()


def repeated_fields(raw: bytes) -> list[str]:
    """Dotted paths of names that stand twice in one JSON object; a parser keeps the last of them."""
    found = False

    def collect(pairs: list[tuple[str, Any]]) -> _Pairs:
        nonlocal found
        value = _Pairs(pairs)
        if len(value) < len(pairs):
            found = True
            seen: set[str] = set()
            value.repeated = tuple(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return value

    whole = json.loads(raw, object_pairs_hook=collect)
    return list(_repeated(whole, "")) if found else []


def _repeated(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Pairs):
        yield from (f"{path}{name}" for name in value.repeated)
        for name, each in value.items():
            yield from _repeated(each, f"{path}{name}.")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _repeated(each, f"{path[:-1]}[{index}].")


def _yaml(raw: bytes) -> Any:
    """YAML; most of what clients send as such is JSON, which is YAML too."""
    if raw.startswith(b"{"):
        try:
            return _shallow(orjson.loads(raw))
        except orjson.JSONDecodeError:
            pass  # a flow mapping, or broken: the other parser tells
    return _any_yaml(raw)


def _any_yaml(raw: bytes) -> Any:
    import yaml

    try:
        value = yaml.load(raw, Loader=_plain(getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506 - a safe loader without timestamps
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise bad_request(f"error converting YAML to JSON: yaml: {str(error).splitlines()[0]}") from error
    try:
        return _shallow(orjson.loads(orjson.dumps(value)))
    except TypeError as error:
        raise bad_request(f"error converting YAML to JSON: {error}") from error


@functools.cache
def _plain(loader: Any) -> Any:
    """A loader that leaves dates as text, as JSON would."""
    resolvers = {
        sign: [(tag, pattern) for tag, pattern in each if tag != "tag:yaml.org,2002:timestamp"]
        for sign, each in loader.yaml_implicit_resolvers.items()
    }
    return type("PlainLoader", (loader,), {"yaml_implicit_resolvers": resolvers})


def _shallow(value: Any) -> Any:
    level = [value]
    for _ in range(DEPTH):
        level = [
            below
            for each in level
            if isinstance(each, dict | list)
            for below in (each.values() if isinstance(each, dict) else each)
            if isinstance(below, dict | list)
        ]
        if not level:
            return value
    raise bad_request(f"the body of the request is nested deeper than {DEPTH} levels")
