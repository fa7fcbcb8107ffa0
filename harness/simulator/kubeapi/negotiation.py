"""Which form of an answer a client accepts."""

from harness.simulator.kubeapi.status import not_acceptable

_JSON = {"application/json", "application/*", "*/*"}
_YAML = "application/yaml"
_SERVED = ("application/json", _YAML)


def accepted(header: str) -> str:
    """`application/json` or `application/yaml`, the first that the header names. Raises ApiError 406 when it names neither."""
    if not header or header == "*/*":
        return _SERVED[0]
    for each in header.split(","):
        kind = each.partition(";")[0].strip().lower()
        if kind in _JSON:
            return _SERVED[0]
        if kind == _YAML:
            return _YAML
    raise not_acceptable(_SERVED)


def as_yaml(body: bytes) -> bytes:
    """A JSON document as YAML."""
    import orjson
    import yaml

    return yaml.safe_dump(orjson.loads(body), default_flow_style=False, sort_keys=False, allow_unicode=True).encode()
