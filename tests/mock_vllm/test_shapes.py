"""Every endpoint's replies, field by field: presence, type, and nothing that is not expected (`shapes/README.md`)."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.mock_vllm.running import Running

SHAPES = Path(__file__).parent / "shapes"
CASES = {file.stem: json.loads(file.read_text()) for file in sorted(SHAPES.glob("*.json"))}


def schema(shape: Any) -> dict[str, Any]:
    """A shape as JSON schema."""
    if isinstance(shape, str):
        return {"const": shape[1:]} if shape[:1] == "=" else {"type": shape.split("|")}
    if isinstance(shape, list):
        return {"type": "array", "minItems": 1, "items": schema(shape[0])} if shape else {"const": []}
    if "const" in shape:
        return shape
    if "any" in shape:
        return {}
    if "each" in shape:
        return {"type": "object", "minProperties": 1, "additionalProperties": schema(shape["each"])}
    if "either" in shape:
        return {"anyOf": [schema(one) for one in shape["either"]]}
    members = {name: schema(one) for name, one in shape.items()}
    return {"type": "object", "properties": members, "required": list(shape), "additionalProperties": False}


def differences(shape: Any, found: Any) -> list[str]:
    """What is wrong, one sentence each."""
    errors = jsonschema.Draft202012Validator(schema(shape)).iter_errors(found)
    return [f"{error.json_path}: {error.message}" for error in errors]


def disorder(shape: Any, found: Any, place: str = "$") -> list[str]:
    """Where members of something that has this shape come in another order."""
    if isinstance(shape, list):
        return [line for i, one in enumerate(found) for line in disorder(shape[0], one, f"{place}[{i}]")]
    if not isinstance(shape, dict) or shape.keys() & {"const", "any", "each"}:
        return []
    if "either" in shape:
        return disorder(next(one for one in shape["either"] if not differences(one, found)), found, place)
    wrong = [] if list(shape) == list(found) else [f"{place}: {list(found)}"]
    return wrong + [line for name, one in shape.items() for line in disorder(one, found[name], f"{place}.{name}")]


def ask(server: Running, case: dict) -> Any:
    request = case["request"]
    path = request["path"]
    if "after" in case:
        before = server.api.post(case["after"]["path"], json=case["after"]["json"])
        assert before.status_code == 200, before.text
        if "{id}" in path:
            path = path.replace("{id}", before.json()["id"])
    return server.api.request(request["method"], path, json=request.get("json"), headers=request.get("headers"))


def data(frame: str, *, named: bool) -> Any:
    """The data of an event."""
    name, _, text = frame.rpartition("data: ")
    found = text if text == "[DONE]" else json.loads(text)
    assert name == (f"event: {found['type']}\n" if named else ""), frame
    return found


def compare(shapes: list, events: list, *, ordered: bool = True) -> None:
    """Events against shapes in order, and with `ordered` their members, too."""
    place = 0
    for shape in shapes:
        repeated = isinstance(shape, dict) and "many" in shape
        one = shape["many"] if repeated else shape
        assert place < len(events), f"no event is left for {one}"
        assert differences(one, events[place]) == []
        assert not ordered or disorder(one, events[place]) == []
        place += 1
        while repeated and place < len(events) and not differences(one, events[place]):
            place += 1
    assert events[place:] == []


@pytest.mark.parametrize("name", CASES)
def test_shape(launch, name):
    case = CASES[name]
    server = launch(*case.get("options", ()), environment=case.get("environment"))
    reply = ask(server, case)
    assert reply.status_code == case["status"], reply.text
    ordered = not case.get("unordered", False)
    if "events" in case:
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        frames = reply.text.removesuffix("\n\n").split("\n\n")
        named = case.get("named", False)
        compare(case["events"], [data(frame, named=named) for frame in frames], ordered=ordered)
    elif "reply" in case:
        assert reply.headers["content-type"] == "application/json"
        assert differences(case["reply"], reply.json()) == []
        assert not ordered or disorder(case["reply"], reply.json()) == []
    else:
        assert re.fullmatch(case["text"], reply.text)


def test_every_endpoint_has_a_shape(launch):
    server = launch("--enable-lora", environment={"VLLM_SERVER_DEV_MODE": "1"})
    paths = server.api.get("/openapi.json").json()["paths"]
    offered = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    shown = {
        (case["request"]["method"], case.get("route", case["request"]["path"]).partition("?")[0])
        for case in CASES.values()
        if case["status"] == 200 or "/audio/" in case["request"]["path"]
    }
    assert offered - shown == set()


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        ({"a": "integer"}, {}),
        ({"a": "integer"}, {"a": 1, "b": 2}),
        ({"a": "integer"}, {"a": "1"}),
        ({"a": "integer"}, {"a": True}),
        ({"a": "=x"}, {"a": "y"}),
        ({"a": ["string"]}, {"a": []}),
        ({"a": []}, {"a": [1]}),
        ({"each": "number"}, {"a": "x"}),
        ({"either": ["string", "null"]}, 5),
    ],
)
def test_the_comparison_finds_what_differs(shape, value):
    assert len(differences(shape, value)) == 1


@pytest.mark.parametrize("events", [[], [1], [1, "x", "y"], ["x"]])
def test_the_comparison_finds_events_too_many_and_too_few(events):
    with pytest.raises(AssertionError):
        compare([{"many": "integer"}, "=x"], events)


def test_the_comparison_finds_another_order():
    assert disorder({"a": [{"b": "integer", "c": "integer"}]}, {"a": [{"c": 1, "b": 2}]}) == ["$.a[0]: ['c', 'b']"]
