"""Recorded requests and the shape of their replies, field by field (`shapes.json`).

A shape is `str`, `int`, `float`, `bool`, `null`, `object`, `=text` for exactly that text, a list whose one shape holds for every item (an empty
list is empty), or an object with exactly these keys in exactly this order.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.mock_vllm.running import events

SHAPES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "shapes.json").read_text())
KINDS = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None), "object": dict}


def check(shape: Any, value: Any, place: str) -> None:
    if isinstance(shape, dict):
        assert list(value) == list(shape), f"{place}: keys"
        for key, inner in shape.items():
            check(inner, value[key], f"{place}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), place
        assert bool(value) == bool(shape), f"{place}: {value}"
        for number, item in enumerate(value):
            check(shape[0], item, f"{place}[{number}]")
    elif shape.startswith("="):
        assert value == shape[1:], place
    else:
        assert type(value) is KINDS[shape], f"{place}: {value!r} is no {shape}"


@pytest.mark.parametrize("name", SHAPES)
def test_replies_have_their_recorded_shape(launch, server, name):
    recorded = SHAPES[name]
    api = (launch("--runner", "pooling") if recorded.get("pooling") else server).api
    method, path, body = recorded["request"]
    reply = api.request(method, path, **({} if body is None else {"json": body}))
    if "reply" in recorded:
        check(recorded["reply"], reply.json(), name)
        return
    seen = events(reply.text)
    assert seen.pop() == "[DONE]"
    assert len(seen) == len(recorded["events"])
    for number, (shape, event) in enumerate(zip(recorded["events"], seen, strict=True)):
        check(shape, event, f"{name} event {number}")
